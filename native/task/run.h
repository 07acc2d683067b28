// Run: the scheduler's record of one execution of an orchestration function, with its tasks. Plain data under the
// engine's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/shared_only.h"
#include "graph/hazards.h"
#include "task/task.h"
#include "task/task_table.h"

namespace callring {

class CapturedGraph;

// One execution of an orchestration function. Its tasks depend only on each other, and its errors reach only the runs
// that follow it (schedule/scheduler_runs.cpp). Or a stream: tasks without dependencies; take_ended() returns each once
// it has ended, and the run forgets it.
struct Run : SharedOnly {
    Run() = default;
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    std::uint64_t id = 0;
    std::shared_ptr<Run> self;  // set while a task has not ended: tasks do not own their run
    bool stream = false;
    HazardMap hazards;
    std::shared_ptr<const CapturedGraph> graph;  // of a launch: the edges of its tasks
    std::vector<std::uint64_t> scalars;          // of a launch: values of its graph's parameters; empty: as recorded
    // The tasks that have not ended and, in a run that is no stream, those that did not succeed. Of a launch: all.
    TaskTable tasks;
    std::vector<TaskPtr> outbox;  // a stream's ended tasks that were not taken yet
    std::uint64_t accepted = 0;
    std::uint64_t ended = 0;
    bool sealed = false;  // submits are refused
    bool cancelled = false;
    std::vector<int> watchers;      // eventfds to write when the run finishes; owned by the watchers
    std::vector<TaskPtr> failures;  // in the order in which they happened, without skipped tasks
    std::vector<TaskPtr> skipped;
    TaskPtr withdrawn;  // the first cancelled task

    // A run that follows this one.
    struct Follower {
        std::shared_ptr<Run> run;
        bool poisoned;  // whether it is skipped if this one fails
    };
    std::vector<Follower> followers;  // until this run has ended
    std::uint32_t waits_for = 0;      // unfinished runs that this one follows; it ends after them
    std::vector<Task*> held;          // tasks that wait for those runs alone, which count as one unmet predecessor
    TaskPtr poison;                   // the failure of a followed run, for which all tasks of this one are skipped

    [[nodiscard]] bool finished() const noexcept { return sealed && ended == accepted && waits_for == 0; }
};

using RunPtr = std::shared_ptr<Run>;

}  // namespace callring
