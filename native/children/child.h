// Child: everything that the parent holds of one place below it, and of the process that fills it at the moment. A
// process that dies is replaced: the place keeps its index, name and queue, and starts its next incarnation.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "children/ledger.h"
#include "common/child_end.h"
#include "control/requests.h"
#include "lane/parent_lane.h"
#include "memory/sealed.h"
#include "processes/process.h"
#include "processes/restart_policy.h"
#include "task/task.h"

namespace callring {

// starting: its process is being started, for the first time or as a replacement. lost: it will not be replaced.
enum class ChildState : std::uint8_t { starting, ready, lost, closed };

// Under the engine's lock, but for what says otherwise.
struct Child {
    // The place.
    std::uint32_t index = 0;  // position among all children, stable; constant
    ChildKind kind = ChildKind::chip;
    std::uint32_t id = 0;                  // chip id, sub-worker or node number, as the user knows it
    std::shared_ptr<SealedPayload> setup;  // what a node child is made of; null for others; constant
    std::uint64_t patience_ns =
        0;  // how much longer than others it may take to answer: it asks its own children; constant
    ChildState state = ChildState::starting;
    std::deque<TaskPtr> backlog;  // ready for exactly this child, waiting for it or for room in its lane
    std::uint64_t completed = 0;
    RestartPolicy restarts;
    std::uint64_t start_again_ns = 0;          // when its next incarnation is to be started; 0: not waiting for that
    std::shared_ptr<const ChildEnd> last_end;  // how the previous incarnation ended; null for the first

    // The incarnation.
    std::uint32_t incarnation = 0;
    std::uint64_t completed_before = 0;   // by the incarnations before
    std::uint32_t key = 0;                // the supervisor's name of this incarnation, never used again; 0 between two
    std::uint64_t start_deadline_ns = 0;  // while it starts
    std::unique_ptr<ParentLane> lane;     // of the previous incarnation between two
    std::atomic<const ParentLane*> lane_view{nullptr};  // the same, for threads without the lock
    std::shared_ptr<Requests> requests;                 // null between two incarnations
    std::shared_ptr<const Process> process;
    std::string condemned;          // why its parent ended it
    bool ended_for_task = false;    // the reason is what a task did: no sign that the child is broken
    std::uint64_t look_at_ns = 0;   // when a deadline of what is in flight can expire first; 0: nothing has one
    std::deque<TaskPtr> in_flight;  // by frame sequence
    bool lane_damaged = false;      // it has written into its lane what no child writes
    bool to_be_woken = false;       // when the scheduler's burst ends
    // How long its tasks take, as seen from here: a moving average; 0 until one has ended.
    std::uint64_t task_ns = 0;
    // Since when it has worked on what is in flight: from the first frame, or from the last completion that was seen.
    std::uint64_t busy_since_ns = 0;
    Ledger ledger;
    bool hears_notices = false;  // once it is ready

    // Whether frames may be put into its lane.
    [[nodiscard]] bool takes_work() const noexcept { return state == ChildState::ready && condemned.empty(); }
    // Whether it will, now or after its replacement started.
    [[nodiscard]] bool has_a_future() const noexcept {
        return state == ChildState::ready || state == ChildState::starting;
    }
    // Whether this incarnation has begun anything.
    [[nodiscard]] bool has_worked() const noexcept {
        return completed != completed_before || (!in_flight.empty() && lane->claimed(in_flight.front()->sequence));
    }
    // How long what is in flight will take it; longer if that has taken longer than expected already.
    [[nodiscard]] std::uint64_t expected_ns(std::uint64_t now_ns) const noexcept {
        if (in_flight.empty()) {
            return 0;
        }
        constexpr std::uint64_t kUnknownNs = 1'000'000;
        const std::uint64_t so_far = now_ns - std::min(now_ns, busy_since_ns);
        return in_flight.size() * std::max(task_ns == 0 ? kUnknownNs : task_ns, so_far);
    }
    [[nodiscard]] pid_t pid() const noexcept { return process ? process->pid() : -1; }
    void kill(int signal) const noexcept {
        if (process) {
            process->kill(signal);
        }
    }

    // "chip 3", "sub-worker 0": how messages name it.
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
