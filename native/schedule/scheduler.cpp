// Scheduler: accepting tasks.
#include "schedule/scheduler.h"

#include <algorithm>
#include <utility>

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

// Refuses a task that can never run.
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
            return Error{Code::given_up, {}, child.last_end};
        }
    } else {
        const std::size_t needed = task.group != nullptr ? task.group->members.size() : 1;
        if (const std::size_t left = sub_workers_with_a_future(); left < needed) {
            if (std::none_of(children_.begin(), children_.end(),
                             [](const ChildPtr& child) { return child->kind == ChildKind::sub; })) {
                return Error{Code::invalid_argument, "this Worker has no sub-workers (sub_workers=0)"};
            }
            return Error{Code::given_up, left == 0 ? "every sub-worker was given up"
                                                   : "only " + std::to_string(left) + " sub-workers were not given up"};
        }
    }
    return {};
}

Result<void> Scheduler::submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after) {
    const Event event(over_);
    const bool has_tensors = !task->args->tensors.empty() || is_group(*task);
    if (has_tensors) {
        if (auto checked = check_arguments(*task); !checked) {
            return checked;
        }
    }
    if (auto checked = check_children(*task); !checked) {
        return checked;
    }
    if (!run->self) {
        run->self = run;
    }
    task->id = run->accepted++;
    task->run = run.get();
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
    run->tasks.add(task);
    if (run->stream) {
        if (run->cancelled) {
            end(*task, Code::cancelled, {});
        } else {
            dispatch_to_a_future(*task);
        }
        return {};
    }

    if (has_tensors || !after.empty()) {
        collect_hazards(*run, *task);
        collect_unmet(*run, *task, after);
    }
    if (run->poison) {
        task->root_cause = run->poison;
    }
    if (run->cancelled) {
        end(*task, Code::cancelled, {});
    } else if (task->root_cause) {
        end(*task, Code::skipped, {});
    } else {
        for (Task* earlier : unmet_) {
            if (task->times) {
                task->times->waited_for.push_back(earlier->id);
            }
            earlier->successors.push_back(task.get());
        }
        task->unmet = static_cast<std::uint32_t>(unmet_.size());
        if (unmet_.empty()) {
            if (run->waits_for > 0) {
                hold(*run, *task);
            } else {
                dispatch_to_a_future(*task);
            }
        } else if (const Behind place = behind(*task, unmet_); place.now) {
            push_behind(*place.child, *task, unmet_);
        } else if (place.child != nullptr) {
            queue_behind(*place.child, *task, unmet_);
        } else {
            ++blocked_;
        }
    }
    unmet_.clear();
    return {};
}

// Collects in `unmet_` the unended tasks that `task` must follow, each once. Sets its root cause if one of the ended
// ones failed.
void Scheduler::collect_unmet(Run& run, Task& task, const std::vector<TaskPtr>& after) {
    const auto follow = [&](Task& earlier) {
        if (std::exchange(earlier.met, task.id + 1) == task.id + 1) {
            return;
        }
        if (earlier.state != TaskState::ended) {
            unmet_.push_back(&earlier);
        } else if (earlier.code != Code::ok && !task.root_cause) {
            task.root_cause = cause_in(earlier);
        }
    };
    for (const std::uint64_t id : hazards_) {
        if (Task* earlier = run.tasks.find(id)) {
            follow(*earlier);
        }
    }
    for (const TaskPtr& earlier : after) {
        follow(*earlier);
    }
}

void Scheduler::begin_trace(Task& task) const {
    if (task.config.trace != 0) {
        task.times = std::make_unique<TaskTimes>();
        task.times->submit_ns = outside_.now_ns();
    }
}

void Scheduler::collect_hazards(Run& run, const Task& task) {
    hazards_.clear();
    const auto forgettable = [&run](std::uint64_t id) { return run.tasks.find(id) == nullptr; };
    for (const TaskPtr& member : task.members) {
        record_task(run.hazards, task.id, *member->args, hazards_, forgettable);
    }
    record_task(run.hazards, task.id, *task.args, hazards_, forgettable);
}

}  // namespace callring
