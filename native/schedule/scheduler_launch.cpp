// Scheduler: launches of captured graphs. Their tasks are ordinary tasks, but lie in one block and take their edges
// from the graph, so that a launch allocates nothing for each task.
#include <utility>

#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring {

Result<void> Scheduler::check_launched(const Run& run) const {
    // Most tasks have no tensors, and there are few placements: each placement is checked once.
    std::vector<bool> good(children_.size() + 1);
    for (const Task& task : *run.launched) {
        if (!task.args->tensors.empty() || !task.members.empty()) {
            if (auto checked = check_arguments(task); !checked) {
                return checked;
            }
        }
        const auto place = static_cast<std::size_t>(task.placement + 1);  // 0: any sub-worker
        if (task.members.empty() && good[place]) {
            continue;
        }
        if (auto checked = check_children(task); !checked) {
            return checked;
        }
        good[place] = good[place] || task.members.empty();
    }
    return {};
}

Result<void> Scheduler::launch(const RunPtr& run) {
    if (auto checked = check_launched(*run); !checked) {
        // A run that `run` follows may keep it alive: it must have no tasks then.
        run->graph = nullptr;
        run->launched = nullptr;
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
        Task& task = (*run->launched)[id];
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
    if (run->poison || run->waits_for > 0) {
        for (NodeId id = 0; id < graph.size(); ++id) {
            if (graph.predecessors(id).empty()) {
                hold(*run, launched_task(*run, id));
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
void Scheduler::begin_launched(const Run& run) {
    const CapturedGraph& graph = *run.graph;
    std::vector<Task>& tasks = *run.launched;
    std::vector<Task*> predecessors;
    for (NodeId id = 0; id < graph.size(); ++id) {
        if (tasks[id].state != TaskState::blocked) {
            continue;
        }
        if (tasks[id].unmet == 0) {
            dispatch(launched_task(run, id));
            continue;
        }
        predecessors.clear();
        for (const NodeId earlier : graph.predecessors(id)) {
            if (tasks[earlier].state != TaskState::ended) {
                predecessors.push_back(&tasks[earlier]);
            }
        }
        const Behind place = behind(tasks[id], predecessors);
        if (place.now) {
            push_behind(*place.child, launched_task(run, id), predecessors);
        } else if (place.child != nullptr) {
            std::vector<TaskPtr> kept;
            kept.reserve(predecessors.size());
            for (Task* earlier : predecessors) {
                kept.emplace_back(run.launched, earlier);
            }
            queue_behind(*place.child, launched_task(run, id), std::move(kept));
        }
        blocked_ -= place.child != nullptr ? 1 : 0;
    }
}

TaskPtr Scheduler::launched_task(const Run& run, std::uint64_t id) {
    return {run.launched, &(*run.launched)[id]};
}

}  // namespace callring
