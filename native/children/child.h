// Child: the parent's data about one child, and about its current process. When its process dies, the child keeps its
// index, name and queue, and starts its next incarnation.
#pragma once

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "children/ledger.h"
#include "common/child_end.h"
#include "common/tuning.h"
#include "control/requests.h"
#include "lane/parent_lane.h"
#include "memory/sealed.h"
#include "processes/process.h"
#include "processes/restart_policy.h"
#include "task/task.h"

namespace callring {

// starting: its first process, or a replacement, is being started. lost: its process will not be replaced.
enum class ChildState : std::uint8_t { starting, ready, lost, closed };

// Protected by the engine's lock, unless a member's comment says otherwise.
struct Child {
    // The child.
    std::uint32_t index = 0;  // position among all children, stable; constant
    ChildKind kind = ChildKind::chip;
    std::uint32_t id = 0;                  // the number of the chip, sub-worker or node, as in messages
    std::shared_ptr<SealedPayload> setup;  // a node's topology; null for others; constant
    std::uint64_t patience_ns = 0;  // additional time for answers of a node, which asks its own children; constant
    ChildState state = ChildState::starting;
    std::deque<Task*> backlog;  // tasks that are ready for exactly this child, and wait for it or for room in its lane
    std::uint64_t completed = 0;
    RestartPolicy restarts;
    std::uint64_t start_again_ns = 0;          // when its next incarnation starts; 0: no start is planned
    std::shared_ptr<const ChildEnd> last_end;  // how the previous incarnation ended; null for the first

    // The current incarnation.
    std::uint32_t incarnation = 0;
    std::uint64_t completed_before = 0;   // tasks that earlier incarnations completed
    std::uint32_t key = 0;                // the supervisor's key of this incarnation, never reused; 0 between two
    std::uint64_t start_deadline_ns = 0;  // while it starts
    std::unique_ptr<ParentLane> lane;     // between two incarnations, the previous one's lane
    std::atomic<const ParentLane*> lane_view{nullptr};  // the same lane, for threads without the lock
    std::shared_ptr<Requests> requests;                 // null between two incarnations
    std::shared_ptr<const Process> process;
    std::string condemned;         // why its parent kills it; empty: it does not
    bool ended_for_task = false;   // the parent killed it to end a task: no sign of a broken child
    std::uint64_t look_at_ns = 0;  // when the first deadline of a frame in flight can expire; 0: none has a deadline
    std::deque<Task*> in_flight;   // by frame sequence
    bool lane_damaged = false;     // it has written invalid data into its lane
    bool to_be_woken = false;      // the scheduler wakes it at the end of its burst
    // The duration of its tasks, as the parent measures it: a moving average; 0 until a task has ended.
    std::uint64_t task_ns = 0;
    // When it began to work on the frames in flight: at their first push, or at the last completion that was seen.
    std::uint64_t busy_since_ns = 0;
    Ledger ledger;
    bool hears_notices = false;  // whether it receives notices, once it is ready

    // Whether frames may be put into its lane.
    [[nodiscard]] bool takes_work() const noexcept { return state == ChildState::ready && condemned.empty(); }
    // Whether it takes work now, or will when its next process is ready.
    [[nodiscard]] bool has_a_future() const noexcept {
        return state == ChildState::ready || state == ChildState::starting;
    }
    // Whether this incarnation has begun a task.
    [[nodiscard]] bool has_worked() const noexcept {
        return completed != completed_before || (!in_flight.empty() && lane->claimed(in_flight.front()->sequence));
    }
    // The expected time for the frames in flight; longer if they have already taken longer than expected.
    [[nodiscard]] std::uint64_t expected_ns(std::uint64_t now_ns) const noexcept {
        if (in_flight.empty()) {
            return 0;
        }
        const std::uint64_t so_far = now_ns - std::min(now_ns, busy_since_ns);
        return in_flight.size() * std::max(task_ns == 0 ? tuning::kUnknownTaskNs : task_ns, so_far);
    }
    [[nodiscard]] pid_t pid() const noexcept { return process ? process->pid() : -1; }
    // Kills it because of `why`; the first reason is kept. It takes no more work.
    void condemn(const std::string& why) {
        if (condemned.empty()) {
            condemned = why;
        }
        kill(SIGKILL);
    }
    void kill(int signal) const noexcept {
        if (process) {
            process->kill(signal);
        }
    }

    // Its name in messages: "chip 3", "sub-worker 0".
    [[nodiscard]] std::string name() const {
        switch (kind) {
            case ChildKind::chip:
                return "chip " + std::to_string(id);
            case ChildKind::sub:
                return "sub-worker " + std::to_string(id);
            case ChildKind::node:
                return "node " + std::to_string(id);
            case ChildKind::fork_server:
                break;
        }
        return "the fork server";
    }
};

using ChildPtr = std::shared_ptr<Child>;

}  // namespace callring
