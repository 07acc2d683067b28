// Task: the scheduler's record of one task. Plain data under the engine's lock; a task names its callable by digest,
// kind and namespace only. The states of a task and their changes: docs/explanation/the-core.md.
// Its run owns it (task/run.h), callers own it as long as they ask for its outcome, and a group's node owns its
// members. Queues, lanes and other tasks only refer to tasks that have not ended, which their run owns.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/child_end.h"
#include "common/counted.h"
#include "common/result.h"
#include "common/shared_only.h"
#include "lane/extent_store.h"
#include "lane/predecessors.h"
#include "memory/task_args.h"
#include "memory/thread_cached.h"
#include "task/callable.h"

namespace callring {

enum class TaskState : std::uint8_t { blocked, ready, dispatched, ended };

struct Run;
struct Task;
using TaskPtr = Counted<Task>;

// The times of a traced task, in nanoseconds of CLOCK_MONOTONIC; zero for what did not happen.
struct TaskTimes {
    std::uint64_t submit_ns = 0;
    std::uint64_t dispatch_ns = 0;          // its frame was put into a lane; of a retried task, the last time
    std::uint64_t begin_ns = 0;             // the child claimed the frame
    std::uint64_t end_ns = 0;               // the child completed the frame
    std::uint64_t complete_ns = 0;          // the parent took the completion
    std::vector<std::uint64_t> waited_for;  // tasks of its run that had not ended when it was submitted
};

inline constexpr std::int32_t kAnyChild = -1;

inline constexpr std::uint32_t kTraceAsWorker = UINT32_MAX;  // 2 if the Worker traces, else 0

// The options of one task.
struct CallConfig {
    std::uint32_t block_count = 0;         // 0: the callable's choice
    std::uint32_t retries = 0;             // how often it may begin again after its child died
    std::uint64_t deadline_ns = 0;         // how long it may run, counted from its begin in the child; 0: no limit
    std::uint32_t trace = kTraceAsWorker;  // 0: nothing, 1: its times, 2: also the spans of a chip's cores
    bool keeps = false;  // what it writes may stay on the machine of its node (runtime/runs/residence.py)
};

// Memory of several tasks, which lie behind it (task/task_block.h): freed with the last of them.
struct TaskMemory {
    explicit TaskMemory(std::size_t tasks) noexcept : left(tasks) {}
    void drop(std::size_t tasks) noexcept {
        if (left.fetch_sub(tasks, std::memory_order_acq_rel) == tasks) {
            this->~TaskMemory();
            ::operator delete(static_cast<void*>(this));
        }
    }
    std::atomic<std::size_t> left;
};

// One node of a run's graph: one frame, or a group of frames that begin together (schedule/scheduler_groups.cpp). A
// group's node is never put into a lane; its members are, and they are in no run's list.
struct Task : OwnerCount, SharedOnly {
    // An implicit constructor would clear all 300 bytes before it sets them.
    Task() noexcept {}  // NOLINT(*-use-equals-default)
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

    // By the last owner.
    static void destroy(Task* task) noexcept {
        TaskMemory* const memory = task->memory;
        task->~Task();
        if (memory != nullptr) {
            memory->drop(1);
        } else {
            ThreadCached<Task>().deallocate(task, 1);
        }
    }

    // Small members lie together: between large ones each would take eight bytes, and the tasks of a large graph go
    // through the processor's cache twice.
    std::uint64_t id = 0;  // position in its run; members have that of their node
    Run* run = nullptr;    // null once the task has ended: a run keeps itself alive until then
    std::uint64_t run_id = 0;
    CallablePtr callable;
    ArgsPtr args;  // null: no arguments; keeps the tensors' memory alive until the task has ended
    std::shared_ptr<Buffer> spill;
    CallConfig config;  // `retries` counts down
    std::uint32_t argument_bytes = 0;
    std::int32_t placement = kAnyChild;  // index of the only child that may run it, or kAnyChild

    std::uint32_t unmet = 0;  // predecessors that have not ended
    std::int32_t child = -1;  // the index of the child that it was dispatched to
    TaskState state = TaskState::blocked;
    bool opaque : 1 = false;    // its arguments end with opaque bytes
    bool rescaled : 1 = false;  // of a launch: the scalars of its run replace those in its arguments
    bool requeued : 1 = false;  // it left a lane without an end, and waits or is in a lane again
    bool awaited = false;       // a caller waits for this task, and takes its outcome
    bool followed = false;      // another task follows it in the same lane, or did
    // If its child is being killed because of this task: its outcome (task_timeout, cancelled, worker_lost); else ok.
    Code ended_as = Code::ok;
    Code code = Code::ok;            // the outcome of an ended task
    std::uint32_t open_members = 0;  // of a group's node: members that have not ended
    std::uint64_t sequence = 0;      // the number of its frame in the lane of `child`
    // The tasks that it follows in the same lane, as its frame names them; but its child may overwrite the frame.
    Predecessors in_lane;           // valid while it is dispatched and `unmet`
    std::uint64_t begun_by_ns = 0;  // its child was first seen to have begun it at this time; 0: not seen yet
    std::uint64_t met = 0;          // 1 + the id of the last task of its run that was found to follow it

    // Most tasks have at most one successor. Those of a launched task are in its graph.
    std::vector<Task*, ThreadCached<Task*>> successors;
    std::vector<Task*> predecessors;  // unended ones that it follows in a lane, while it is queued behind them
    TaskPtr root_cause;               // the failed task that poisoned this one, of its run or of another

    std::vector<TaskPtr> members;   // of a group's node
    Task* group = nullptr;          // the node of a member that has not ended
    Task* failed_member = nullptr;  // the first failed member, whose outcome is the group's

    std::string payload;                        // returned value or failure, as the child encoded it
    std::unique_ptr<const ChildEnd> child_end;  // if its outcome is worker_lost or given_up; else null
    std::unique_ptr<Extents> extents;           // parts of the value in shared memory, in their order; null: none
    std::unique_ptr<TaskTimes> times;           // null unless the task is traced
    TaskMemory* memory = nullptr;               // of a launch; null: it was allocated alone
};

[[nodiscard]] inline TaskPtr allocate_task() {
    return TaskPtr::adopt(new (ThreadCached<Task>().allocate(1)) Task());
}

}  // namespace callring
