// Engine: accepting work: single tasks and launches of captured graphs.
#include <algorithm>
#include <utility>

#include "common/tuning.h"
#include "engine/engine.h"
#include "engine/parts.h"
#include "lane/frame.h"
#include "task/argument_check.h"
#include "task/captured_graph.h"

namespace callring {

Result<void> Engine::prepare(Task& task) {
    if (task.spill) {
        return {};  // the task was prepared before its submit waited at a bound
    }
    const bool traces = parts_->shared.options.trace;
    if (task.config.trace == kTraceAsWorker) {
        task.config.trace = traces ? 2 : 0;
    } else if (task.config.trace > 0 && !traces) {
        return Error{Code::invalid_argument, "CallConfig(trace=" + std::to_string(task.config.trace) +
                                                 ") needs a Worker with WorkerOptions(trace=True)"};
    }
    if (!task.args) {
        task.args = no_arguments();
    }
    if (task.members.empty()) {
        if (auto checked = check_arguments(*task.callable, *task.args, task.placement); !checked) {
            return checked;
        }
    }
    const std::uint64_t bytes = argument_bytes(*task.args);
    if (bytes > UINT32_MAX) {
        return Error{Code::invalid_argument, "the arguments take " + std::to_string(bytes) + " bytes; 4 GiB at most"};
    }
    task.argument_bytes = static_cast<std::uint32_t>(bytes);
    task.opaque = !task.args->opaque.empty();
    if (bytes > sizeof(Frame::arguments)) {
        auto buffer = parts_->shared.pool->allocate(bytes);
        if (!buffer) {
            return std::move(buffer).error();
        }
        task.spill = std::move(buffer).value();
        encode_arguments(*task.args, {task.spill->data(), task.argument_bytes});
        if (task.args->tensors.empty()) {
            task.args = no_arguments();  // they may be large, and are in the spill now
        }
    }
    for (const TaskPtr& member : task.members) {
        if (auto prepared = prepare(*member); !prepared) {
            return prepared;
        }
    }
    return {};
}

Result<void> Engine::submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after) {
    Shared& shared = parts_->shared;
    // Spilling allocates, and may have to map a new arena into every child: this is never done under the lock.
    if (auto prepared = prepare(*task); !prepared) {
        return prepared;
    }
    if (auto checked = shared.check_memory(); !checked) {
        return checked;
    }
    const std::lock_guard lock(shared.mutex);
    const KeepsBooks keeps(shared.books);
    if (auto checked = parts_->check_submit(*run, task->callable); !checked) {
        return checked;
    }
    auto accepted = shared.scheduler.submit(run, task, after);
    after_submits(1, task->state == TaskState::ended);
    return accepted;
}

void Engine::after_submits(std::size_t count, bool any_ended) {
    parts_->submits += count;
    if (parts_->submits % tuning::kSubmitsPerDrain < count) {
        parts_->waits.drain();
    }
    // Drivers wait for tasks that end, not for tasks that begin.
    if (any_ended) {
        parts_->waits.after_progress();
    } else {
        parts_->waits.expect_progress();
    }
}

Engine::Accepted Engine::submit_many(const RunPtr& run, std::span<const TaskPtr> tasks,
                                     const std::vector<TaskPtr>& after) {
    std::size_t count = 0;
    while (count < tasks.size()) {
        Accepted some =
            submit_some(run, tasks.subspan(count, std::min(tuning::kMostAtOnce, tasks.size() - count)), after);
        count += some.count;
        if (!some.outcome) {
            return {count, std::move(some.outcome)};
        }
    }
    return {count, {}};
}

// Accepts as many tasks as there is room for, and at least the first if it is not refused.
Engine::Accepted Engine::submit_some(const RunPtr& run, std::span<const TaskPtr> tasks,
                                     const std::vector<TaskPtr>& after) {
    Shared& shared = parts_->shared;
    std::size_t prepared = 0;
    Result<void> outcome;
    for (const TaskPtr& task : tasks) {
        outcome = prepare(*task);
        if (!outcome) {
            break;
        }
        ++prepared;
    }
    if (prepared == 0) {
        return {0, std::move(outcome)};
    }
    if (auto checked = shared.check_memory(); !checked) {
        return {0, std::move(checked)};
    }
    const std::lock_guard lock(shared.mutex);
    const KeepsBooks keeps(shared.books);
    if (auto checked = parts_->check_submit(*run, tasks.front()->callable); !checked) {
        return {0, std::move(checked)};
    }
    const std::size_t room = shared.options.max_pending_tasks - shared.scheduler.pending();
    const std::size_t most = std::min(prepared, room);
    std::size_t count = 0;
    bool any_ended = false;
    shared.scheduler.begin_burst();
    for (; count < most; ++count) {
        if (auto accepted = shared.scheduler.submit(run, tasks[count], after); !accepted) {
            outcome = std::move(accepted);
            break;
        }
        any_ended = any_ended || tasks[count]->state == TaskState::ended;
    }
    shared.scheduler.end_burst();
    after_submits(count, any_ended);
    if (count == room && count < prepared) {
        outcome = {};  // the next call makes room or refuses
    }
    return {count, std::move(outcome)};
}

// Makes the tasks of a launch from `graph` and the replacements of its tensors and scalars.
Result<TaskBlock> Engine::make_tasks(const CapturedGraph& graph, const GraphArguments& arguments) {
    TaskBlock tasks(graph.size());
    for (NodeId id = 0; id < graph.size(); ++id) {
        const GraphNode& node = graph.node(id);
        const BoundNode* use = arguments.tensors ? &(*arguments.tensors)[id] : nullptr;
        Task& task = tasks[id];
        task.callable = node.callable;
        task.args = use != nullptr ? use->args : node.args;
        task.placement = node.placement;
        task.config = node.config;
        for (std::size_t i = 0; i < node.members.size(); ++i) {
            auto member = allocate_task();
            member->callable = node.callable;
            member->args = use != nullptr ? use->members[i] : node.members[i].first;
            if (!arguments.scalars.empty()) {
                member->args = graph.with_scalars(id, static_cast<std::uint32_t>(i), member->args, arguments.scalars);
            }
            member->placement = node.members[i].second;
            member->config = node.config;
            member->group = &task;
            task.members.push_back(std::move(member));
        }
        task.open_members = static_cast<std::uint32_t>(task.members.size());
        if (auto prepared = prepare(task); !prepared) {
            return std::move(prepared).error();
        }
        task.rescaled = !arguments.scalars.empty() && node.members.empty() && graph.has_parameters(id);
        if (task.rescaled && task.spill) {
            graph.put_scalars(id, arguments.scalars, {task.spill->data(), task.argument_bytes});
        }
    }
    return tasks;
}

Result<RunPtr> Engine::launch(const GraphPtr& graph, const GraphArguments& arguments, const Followed& followed) {
    Shared& shared = parts_->shared;
    if (auto checked = graph->check_launch(arguments); !checked) {
        return std::move(checked).error();
    }
    auto tasks = make_tasks(*graph, arguments);
    if (!tasks) {
        return std::move(tasks).error();
    }
    Result<void> accepted = shared.check_memory();
    const std::lock_guard lock(shared.mutex);
    const KeepsBooks keeps(shared.books);
    if (accepted) {
        accepted = parts_->check_room();
    }
    for (const auto& [callable, uses] : graph->callables()) {
        if (accepted) {
            accepted = parts_->check_accepting(callable);
        }
    }
    if (accepted && parts_->runs.under_way() >= shared.options.max_runs) {
        accepted = Error{Code::too_many_runs, std::to_string(shared.options.max_runs) + " runs are under way"};
    }
    RunPtr run;
    if (accepted) {
        run = parts_->runs.begin(followed);
        run->graph = graph;
        run->scalars = arguments.scalars;
        accepted = shared.scheduler.launch(run, std::move(tasks).value());
        shared.scheduler.seal(*run);
        parts_->waits.after_progress();
    }
    if (!accepted) {
        return std::move(accepted).error();
    }
    return run;
}

}  // namespace callring
