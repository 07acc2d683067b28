// Scheduler: launches of captured graphs. Their tasks are ordinary tasks, but lie in one block and take their edges
// from the graph, so that a launch allocates nothing for each task.
#include <utility>

#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring {

Result<void> Scheduler::check_launched(std::span<const Task> tasks) const {
    // Most tasks have no tensors, and there are few placements: each placement is checked once.
    std::vector<bool> good(children_.size() + 1);
    for (const Task& task : tasks) {
        if (!task.args->tensors.empty() || is_group(task)) {
            if (auto checked = check_arguments(task); !checked) {
                return checked;
            }
        }
        const auto place = static_cast<std::size_t>(task.placement + 1);  // 0: any sub-worker
        if (!is_group(task) && good[place]) {
            continue;
        }
        if (auto checked = check_children(task); !checked) {
            return checked;
        }
        good[place] = good[place] || !is_group(task);
    }
    return {};
}

Result<void> Scheduler::launch(const RunPtr& run, TaskBlock tasks) {
    const Event event(over_);
    if (auto checked = check_launched(tasks.all()); !checked) {
        return checked;
    }
    const CapturedGraph& graph = *run->graph;
    if (graph.size() > 0) {
        run->self = run;
    }
    run->accepted = graph.size();
    pending_ += graph.size();
    counts_.accepted += graph.size();
    for (const auto& [callable, uses] : graph.callables()) {
        callable->in_flight += uses;
    }
    // All tasks are initialised before the first one is dispatched, so that a task that ends at once finds its
    // successors.
    for (NodeId id = 0; id < graph.size(); ++id) {
        Task& task = tasks[id];
        task.id = id;
        task.run = run.get();
        task.run_id = run->id;
        task.unmet = static_cast<std::uint32_t>(graph.predecessors(id).size());
        blocked_ += task.unmet > 0 ? 1 : 0;
        begin_trace(task);
        if (task.times) {
            task.times->waited_for.assign(graph.predecessors(id).begin(), graph.predecessors(id).end());
        }
        for (const TaskPtr& member : task.members) {
            member->id = id;
            member->run_id = run->id;
            begin_trace(*member);
        }
    }
    run->tasks = TaskTable(std::move(tasks));
    if (run->poison || run->waits_for > 0) {
        for (NodeId id = 0; id < graph.size(); ++id) {
            if (graph.predecessors(id).empty()) {
                hold(*run, *run->tasks.find(id));
            }
        }
        if (run->waits_for == 0) {
            open(*run);
            settle();
        }
        return {};
    }
    begin_burst();
    begin_launched(*run);
    end_burst();
    return {};
}

// Dispatches the tasks without predecessors, and puts those that may follow at once behind them in their lanes.
void Scheduler::begin_launched(Run& run) {
    const CapturedGraph& graph = *run.graph;
    std::vector<Task*> predecessors;
    for (NodeId id = 0; id < graph.size(); ++id) {
        Task& task = *run.tasks.find(id);
        if (task.state != TaskState::blocked) {
            continue;
        }
        if (task.unmet == 0) {
            dispatch(task);
            continue;
        }
        predecessors.clear();
        for (const NodeId earlier : graph.predecessors(id)) {
            if (Task* unended = run.tasks.find(earlier); unended->state != TaskState::ended) {
                predecessors.push_back(unended);
            }
        }
        const Behind place = behind(task, predecessors);
        if (place.now) {
            push_behind(*place.child, task, predecessors);
        } else if (place.child != nullptr) {
            queue_behind(*place.child, task, predecessors);
        }
        blocked_ -= place.child != nullptr ? 1 : 0;
    }
}

}  // namespace callring
