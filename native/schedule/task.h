// What the scheduler knows of tasks and runs. Plain data under the engine's lock; a task names its callable by digest,
// kind and namespace only (identity.md, task records and frames).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "graph/hazards.h"
#include "memory/task_args.h"
#include "registry/callable.h"

namespace callring {

enum class TaskState : std::uint8_t { blocked, ready, dispatched, ended };

struct Run;

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

struct Task {
    std::uint64_t id = 0;      // position in its run
    std::shared_ptr<Run> run;  // null once the task has ended
    std::uint64_t run_id = 0;
    CallablePtr callable;
    TaskArgs args;  // keeps the tensors' memory alive until the task has ended
    std::shared_ptr<Buffer> spill;
    std::uint32_t argument_bytes = 0;
    bool opaque = false;  // its arguments end with opaque bytes
    std::uint32_t block_count = 0;
    std::uint32_t retries = 0;           // how often it may still be begun again after its child died
    std::int32_t placement = kAnyChild;  // index of the only child that may run it, or kAnyChild

    TaskState state = TaskState::blocked;
    std::uint32_t unmet = 0;  // predecessors that have not ended
    std::vector<std::shared_ptr<Task>> successors;
    std::shared_ptr<Task> root_cause;  // the failed task that poisoned this one

    std::int32_t child = -1;     // where it was dispatched
    std::uint64_t sequence = 0;  // its frame there
    bool awaited = false;        // somebody waits for just this one, and takes care of it
    bool pinned = false;         // its frame relies on earlier frames of that lane: it cannot move

    Code code = Code::ok;
    std::string payload;               // returned value or failure, as the child encoded it
    std::unique_ptr<TaskTimes> times;  // null unless traced
};

using TaskPtr = std::shared_ptr<Task>;

// One execution of an orchestration function. Errors and dependencies never leave it. Or a stream: tasks without
// dependencies, each of which goes to whoever takes the ended ones, and is forgotten.
struct Run {
    std::uint64_t id = 0;
    bool stream = false;
    HazardMap hazards;
    std::deque<TaskPtr> tasks;    // by id; null once a task ended well and can no longer matter; empty in a stream
    std::vector<TaskPtr> outbox;  // a stream's ended tasks that nobody has taken yet
    std::uint64_t accepted = 0;
    std::uint64_t ended = 0;
    bool sealed = false;  // no more submits will come
    bool cancelled = false;
    std::vector<TaskPtr> failures;  // in the order in which they happened; skipped tasks are not among them
    std::vector<TaskPtr> skipped;

    [[nodiscard]] bool finished() const noexcept { return sealed && ended == accepted; }
};

using RunPtr = std::shared_ptr<Run>;

}  // namespace callring
