// Scheduler: accepting tasks.
#include "schedule/scheduler.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "graph/task_hazards.h"

namespace callring {

void Scheduler::add_child(ChildPtr child) {
    children_.push_back(std::move(child));
}

std::size_t Scheduler::sub_workers_with_a_future() const {
    return static_cast<std::size_t>(std::count_if(children_.begin(), children_.end(), [](const ChildPtr& child) {
        return child->kind == ChildKind::sub && child->has_a_future();
    }));
}

Result<void> Scheduler::check_arguments(const Task& task) {
    for (const TensorArg& argument : task.args->tensors) {
        if (argument.tensor.buffer->retired()) {
            return Error{Code::invalid_argument, "a tensor whose scope has ended cannot be passed to a task"};
        }
    }
    for (const TaskPtr& member : task.members) {
        if (auto checked = check_arguments(*member); !checked) {
            return checked;
        }
    }
    return is_group(task) ? check_group(task) : Result<void>();
}

// Nothing is accepted that can never run.
Result<void> Scheduler::check_children(const Task& task) const {
    for (const TaskPtr& member : task.members) {
        if (auto checked = check_children(*member); !checked) {
            return checked;
        }
    }
    if (is_group(task)) {
        return {};
    }
    if (task.placement != kAnyChild) {
        const Child& child = child_of(task);
        if (!child.has_a_future()) {
            return Error{Code::given_up, child.name() + " " + child.last_exit};
        }
    } else {
        const std::size_t needed = task.group ? task.group->members.size() : 1;
        if (const std::size_t left = sub_workers_with_a_future(); left < needed) {
            return Error{Code::given_up, left == 0 ? "every sub-worker was given up"
                                                   : "only " + std::to_string(left) + " sub-workers were not given up"};
        }
    }
    return {};
}

Result<void> Scheduler::submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after) {
    if (auto checked = check_arguments(*task); !checked) {
        return checked;
    }
    if (auto checked = check_children(*task); !checked) {
        return checked;
    }
    task->id = run->accepted++;
    task->run = run;
    task->run_id = run->id;
    begin_trace(*task);
    for (const TaskPtr& member : task->members) {
        member->id = task->id;
        member->run_id = run->id;
        begin_trace(*member);
    }
    ++pending_;
    ++counts_.accepted;
    ++task->callable->in_flight;
    if (run->stream) {
        if (run->cancelled) {
            end(task, Code::cancelled, {});
        } else {
            dispatch(task);
        }
        return {};
    }
    run->tasks.push_back(task);

    std::vector<std::uint64_t> ids;
    collect_hazards(*run, *task, ids);
    std::vector<TaskPtr> predecessors;
    predecessors.reserve(ids.size() + after.size());
    for (const std::uint64_t id : ids) {
        if (run->tasks[id]) {
            predecessors.push_back(run->tasks[id]);
        }
    }
    for (const TaskPtr& earlier : after) {
        if (std::find(predecessors.begin(), predecessors.end(), earlier) == predecessors.end()) {
            predecessors.push_back(earlier);
        }
    }

    std::vector<TaskPtr> unmet;
    for (const TaskPtr& earlier : predecessors) {
        if (earlier->state != TaskState::ended) {
            unmet.push_back(earlier);
        } else if (earlier->code != Code::ok && !task->root_cause) {
            task->root_cause = earlier->root_cause ? earlier->root_cause : earlier;
        }
    }
    if (run->cancelled) {
        end(task, Code::cancelled, {});
        return {};
    }
    if (task->root_cause) {
        end(task, Code::skipped, {});
        return {};
    }
    for (const TaskPtr& earlier : unmet) {
        if (task->times) {
            task->times->waited_for.push_back(earlier->id);
        }
        earlier->successors.push_back(task);
    }
    task->unmet = static_cast<std::uint32_t>(unmet.size());
    if (unmet.empty()) {
        dispatch(task);
    } else if (!dispatch_behind_predecessors(task, unmet)) {
        ++blocked_;
    }
    return {};
}

void Scheduler::begin_trace(Task& task) {
    if (task.config.trace != 0) {
        task.times = std::make_unique<TaskTimes>();
        task.times->submit_ns = now_ns();
    }
}

void Scheduler::collect_hazards(Run& run, const Task& task, std::vector<std::uint64_t>& predecessors) {
    for (const TaskPtr& member : task.members) {
        collect_hazards(run, *member, predecessors);
    }
    const auto forgettable = [&run](std::uint64_t id) { return run.tasks[id] == nullptr; };
    record_task(run.hazards, task.id, *task.args, predecessors, forgettable);
}

}  // namespace callring
