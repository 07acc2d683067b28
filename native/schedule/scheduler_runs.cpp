// Scheduler: runs that follow other runs. Tasks of such a run are accepted at any time; those without predecessors in
// their own run are held until every run that it follows has ended. The order is transitive: a run ends after the runs
// that it follows, even if it has no tasks or was cancelled.
#include <utility>

#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring {

namespace {

// The first task because of which the poisoned followers of `run` are skipped; null if all of its tasks succeeded.
TaskPtr failure_of(const Run& run) {
    if (!run.failures.empty()) {
        return run.failures.front();
    }
    return run.poison ? run.poison : run.withdrawn;
}

}  // namespace

void Scheduler::follow(const RunPtr& run, const RunPtr& earlier, bool poisoned) {
    if (!earlier->finished()) {
        earlier->followers.push_back({run, poisoned});
        ++run->waits_for;
    } else if (poisoned && !run->poison) {
        run->poison = failure_of(*earlier);
    }
}

void Scheduler::hold(Run& run, Task& task) {
    ++task.unmet;
    ++blocked_;
    run.held.push_back(&task);
}

void Scheduler::seal(Run& run) {
    const Event event(over_);
    if (!std::exchange(run.sealed, true) && run.finished()) {
        finish(run);
        settle();
    }
}

void Scheduler::finish(Run& run) {
    outside_.on_run_finished(run);
    if (run.followers.empty()) {
        return;
    }
    const TaskPtr failure = failure_of(run);
    for (const Run::Follower& follower : std::exchange(run.followers, {})) {
        if (follower.poisoned && !follower.run->poison) {
            follower.run->poison = failure;
        }
        if (--follower.run->waits_for == 0) {
            opened_.push_back(follower.run);
        }
    }
}

// Begins the held tasks, or skips them if the run is poisoned.
void Scheduler::open(Run& run) {
    const bool has_tasks = run.ended < run.accepted;
    const bool own_burst = !std::exchange(in_burst_, true);
    for (Task* task : std::exchange(run.held, {})) {
        if (task->state == TaskState::ended) {
            continue;  // the task was cancelled meanwhile
        }
        if (run.poison) {
            task->root_cause = run.poison;
            poisoned_.push_back(task);
            continue;
        }
        --task->unmet;
        --blocked_;
        if (!run.graph) {
            dispatch(*task);
        }
    }
    if (run.graph && has_tasks && !run.poison) {
        begin_launched(run);
    }
    if (own_burst) {
        end_burst();
    }
    if (!has_tasks && run.finished()) {
        finish(run);  // otherwise the run's last task finishes it
    }
}

}  // namespace callring
