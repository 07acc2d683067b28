// What the scheduler knows of tasks and runs. Plain data under the engine's lock; a task names its callable by digest,
// kind and namespace only. What states it has, and what changes them: docs/explanation/the-core.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/child_end.h"
#include "common/result.h"
#include "common/shared_only.h"
#include "graph/hazards.h"
#include "lane/extent_store.h"
#include "lane/layout.h"
#include "memory/task_args.h"
#include "memory/thread_cached.h"
#include "task/callable.h"

namespace callring {

enum class TaskState : std::uint8_t { blocked, ready, dispatched, ended };

struct Run;
class CapturedGraph;

// What a traced task went through, in nanoseconds of CLOCK_MONOTONIC; zero where it did not get.
struct TaskTimes {
    std::uint64_t submit_ns = 0;
    std::uint64_t dispatch_ns = 0;          // its frame was put into a lane, the last time if it was begun again
    std::uint64_t begin_ns = 0;             // the child claimed it
    std::uint64_t end_ns = 0;               // the child was done with it
    std::uint64_t complete_ns = 0;          // the parent knew
    std::vector<std::uint64_t> waited_for;  // tasks of its run that had not ended when it was submitted
};

inline constexpr std::int32_t kAnyChild = -1;

inline constexpr std::uint32_t kTraceAsWorker = UINT32_MAX;  // 2 if the Worker traces, else 0

// What one call may choose.
struct CallConfig {
    std::uint32_t block_count = 0;         // 0: the callable's choice
    std::uint32_t retries = 0;             // how often it may be begun again after its child died
    std::uint64_t deadline_ns = 0;         // how long it may take from when its child begins it; 0: as long as it likes
    std::uint32_t trace = kTraceAsWorker;  // 0: nothing, 1: when it began and ended, 2: also what a chip's cores did
};

// One node of a run's graph: one frame, or a group of frames that begin together (schedule/scheduler_groups.cpp). A
// group's node is never put into a lane; its members are, and they are in no run's list.
struct Task : SharedOnly {
    // Of its own: with an implicit one, to make a task begins with clearing its 300 bytes, and then sets them.
    Task() noexcept {}  // NOLINT(*-use-equals-default)
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

    // Small members lie together: between large ones each would take eight bytes, and the tasks of a large graph pass
    // through the cache twice.
    std::uint64_t id = 0;  // position in its run; members have that of their node
    Run* run = nullptr;    // until it has ended; keeps itself alive until then
    std::uint64_t run_id = 0;
    CallablePtr callable;
    ArgsPtr args;  // null: none; keeps the tensors' memory alive until the task has ended
    std::shared_ptr<Buffer> spill;
    CallConfig config;  // retries: those that are left
    std::uint32_t argument_bytes = 0;
    std::int32_t placement = kAnyChild;  // index of the only child that may run it, or kAnyChild

    std::uint32_t unmet = 0;  // predecessors that have not ended
    std::int32_t child = -1;  // where it was dispatched
    TaskState state = TaskState::blocked;
    bool opaque : 1 = false;    // its arguments end with opaque bytes
    bool rescaled : 1 = false;  // of a launch: its run has scalars for it, in the place of those in its arguments
    bool awaited = false;       // a caller waits for just this task, and takes its outcome
    bool followed = false;      // another one follows it in that lane, or did
    // As what it ends with its child, which is being ended for it: task_timeout, cancelled, worker_lost; ok: it is not.
    Code ended_as = Code::ok;
    Code code = Code::ok;            // as what it has ended
    std::uint32_t open_members = 0;  // of a group's node: members that have not ended
    std::uint64_t sequence = 0;      // its frame in the lane of `child`
    // While it follows others in that lane: how far before it they are, as in its frame, which its child may write
    // over.
    std::array<std::uint32_t, kMaxPredecessors> distances;  // valid while it is dispatched and `unmet`
    std::uint64_t begun_by_ns = 0;  // it had begun by then, as its child noted first; 0: not noted, or not looked at
    std::uint64_t met = 0;          // 1 + the id of the last task of its run that was found to follow it

    // Most have one, if any. Those of a launched task are in its graph.
    std::vector<std::shared_ptr<Task>, ThreadCached<std::shared_ptr<Task>>> successors;
    std::vector<std::shared_ptr<Task>> predecessors;  // while it is queued behind them: those it follows in a lane
    std::shared_ptr<Task> root_cause;                 // the failed task that poisoned this one

    std::vector<std::shared_ptr<Task>> members;  // of a group's node
    std::shared_ptr<Task> group;                 // the node of a member that has not ended
    std::shared_ptr<Task> failed_member;         // the first that failed: as it did, the group does

    std::string payload;                        // returned value or failure, as the child encoded it
    std::unique_ptr<const ChildEnd> child_end;  // of what is worker_lost or given_up; null for all else
    std::unique_ptr<Extents> extents;           // what of the value lies elsewhere, in its order; null: nothing does
    std::unique_ptr<TaskTimes> times;           // null unless traced
};

using TaskPtr = std::shared_ptr<Task>;

[[nodiscard]] inline TaskPtr allocate_task() {
    return std::allocate_shared<Task>(ThreadCached<Task>());
}

// One execution of an orchestration function. Dependencies never leave it, and errors reach only the runs that say that
// they follow it (schedule/scheduler_runs.cpp). Or a stream: tasks without dependencies, each of which goes to the
// thread that takes the ended ones, and is forgotten.
struct Run : SharedOnly {
    Run() = default;
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() {
        if (launched) {
            // Tasks of one block that name each other would keep it alive for ever.
            for (Task& task : *launched) {
                task.root_cause.reset();
            }
        }
    }

    std::uint64_t id = 0;
    std::shared_ptr<Run> self;  // while a task of it has not ended: tasks do not own their run
    bool stream = false;
    HazardMap hazards;
    std::shared_ptr<const CapturedGraph> graph;   // of a launch: the edges of its tasks
    std::shared_ptr<std::vector<Task>> launched;  // of a launch: its tasks by id, instead of `tasks`
    std::vector<std::uint64_t> scalars;           // of a launch: for the parameters of its graph; empty: as recorded
    std::deque<TaskPtr> tasks;    // by id; null once a task ended well and can no longer matter; empty in a stream
    std::vector<TaskPtr> outbox;  // a stream's ended tasks that are not taken yet
    std::uint64_t accepted = 0;
    std::uint64_t ended = 0;
    bool sealed = false;  // no more submits will come
    bool cancelled = false;
    std::vector<int> watchers;      // eventfds, written when it has finished; each is its watcher's
    std::vector<TaskPtr> failures;  // in the order in which they happened; skipped tasks are not among them
    std::vector<TaskPtr> skipped;
    TaskPtr withdrawn;  // the first that was cancelled

    // A run that follows others begins when they have ended.
    struct Follower {
        std::shared_ptr<Run> run;
        bool poisoned;  // if this one does not end well
    };
    std::vector<Follower> followers;  // while this one has not ended
    std::uint32_t waits_for = 0;      // runs that it follows and that have not ended; it ends after them
    std::vector<TaskPtr> held;        // its tasks that wait for these runs alone; each counts them as one unmet
    TaskPtr poison;                   // how a run that it follows failed: none of its tasks will run

    [[nodiscard]] bool finished() const noexcept { return sealed && ended == accepted && waits_for == 0; }
};

using RunPtr = std::shared_ptr<Run>;

}  // namespace callring
