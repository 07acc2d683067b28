// Engine: accepting work: single tasks and launches of captured graphs.
#include <new>
#include <utility>

#include "engine/engine.h"
#include "lane/frame.h"
#include "task/argument_check.h"
#include "task/captured_graph.h"

namespace callring {

namespace {
// A submitting thread works: after so many submits it takes what has ended meanwhile. Lanes then keep room, and no
// other thread has to be woken to make some.
constexpr std::uint64_t kDrainEvery = 256;
}  // namespace

Result<void> Engine::prepare(Task& task) {
    if (task.spill) {
        return {};  // it was, and met a bound
    }
    if (task.config.trace == kTraceAsWorker) {
        task.config.trace = options_.trace ? 2 : 0;
    } else if (task.config.trace > 0 && !options_.trace) {
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
        auto buffer = pool_->allocate(bytes);
        if (!buffer) {
            return std::move(buffer).error();
        }
        task.spill = std::move(buffer).value();
        encode_arguments(*task.args, {task.spill->data(), task.argument_bytes});
        if (task.args->tensors.empty()) {
            task.args = no_arguments();  // what may be large would be there twice
        }
    }
    for (const TaskPtr& member : task.members) {
        if (auto prepared = prepare(*member); !prepared) {
            return prepared;
        }
    }
    return {};
}

// Whether new work may be accepted: what follows from it is done with the reserve if need be.
Result<void> Engine::check_memory() const {
    if (!memory_reserve_is_whole()) {
        return Error{Code::out_of_memory, "no memory is left to keep track of more work"};
    }
    if (books_.torn) {
        return Error{Code::out_of_memory, "the Worker ran out of memory in the middle of its work; close it"};
    }
    return {};
}

// Under the lock.
Result<void> Engine::check_accepting(const CallablePtr& callable) {
    if (closing_) {
        return Error{Code::closed, "the Worker is closed"};
    }
    if (callable->removing()) {
        return Error{Code::handle_stale, "callable " + callable->spec.label + " was unregistered"};
    }
    return {};
}

// Under the lock. Drains before it refuses: what has ended by then makes room.
Result<void> Engine::check_room() {
    if (scheduler_.pending() >= options_.max_pending_tasks) {
        drain();
        after_progress();
        if (scheduler_.pending() >= options_.max_pending_tasks) {
            return Error{Code::back_pressure, std::to_string(scheduler_.pending()) + " tasks are pending"};
        }
    }
    return {};
}

Result<void> Engine::submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after) {
    // Spilling allocates, which may have to map a new arena into every child: never under the lock.
    if (auto prepared = prepare(*task); !prepared) {
        return prepared;
    }
    if (auto checked = check_memory(); !checked) {
        return checked;
    }
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    if (run->sealed) {
        return Error{Code::invalid_argument,
                     "its run has ended: an Orchestrator is valid while its orchestration function runs"};
    }
    if (auto checked = check_accepting(task->callable); !checked) {
        return checked;
    }
    if (auto checked = check_room(); !checked) {
        return checked;
    }
    auto accepted = scheduler_.submit(run, task, after);
    if (++submits_ % kDrainEvery == 0) {
        drain();
    }
    // A driver needs to know of what has ended, not of what has begun.
    if (task->state == TaskState::ended) {
        after_progress();
    } else {
        expect_progress();
    }
    return accepted;
}

// The tasks of a launch, as `graph` and what takes the places of its tensors and scalars say.
Result<void> Engine::make_tasks(const CapturedGraph& graph, const GraphArguments& arguments,
                                const std::shared_ptr<std::vector<Task>>& tasks) {
    for (NodeId id = 0; id < graph.size(); ++id) {
        const GraphNode& node = graph.node(id);
        const BoundNode* use = arguments.tensors ? &(*arguments.tensors)[id] : nullptr;
        Task& task = (*tasks)[id];
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
            member->group = {tasks, &task};
            task.members.push_back(std::move(member));
        }
        task.open_members = static_cast<std::uint32_t>(task.members.size());
        if (auto prepared = prepare(task); !prepared) {
            return prepared;
        }
        task.rescaled = !arguments.scalars.empty() && node.members.empty() && graph.has_parameters(id);
        if (task.rescaled && task.spill) {
            graph.put_scalars(id, arguments.scalars, {task.spill->data(), task.argument_bytes});
        }
    }
    return {};
}

Result<RunPtr> Engine::launch(const GraphPtr& graph, const GraphArguments& arguments, const Followed& followed) {
    if (auto checked = graph->check_launch(arguments); !checked) {
        return std::move(checked).error();
    }
    auto tasks = std::make_shared<std::vector<Task>>(graph->size());
    try {
        if (auto made = make_tasks(*graph, arguments, tasks); !made) {
            break_groups(*tasks);
            return std::move(made).error();
        }
    } catch (const std::bad_alloc&) {
        break_groups(*tasks);
        throw;
    }
    Result<void> accepted = check_memory();
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    if (accepted) {
        accepted = check_room();
    }
    for (const auto& [callable, uses] : graph->callables()) {
        if (accepted) {
            accepted = check_accepting(callable);
        }
    }
    if (accepted && runs_under_way() >= options_.max_runs) {
        accepted = Error{Code::too_many_runs, std::to_string(options_.max_runs) + " runs are under way"};
    }
    RunPtr run;
    if (accepted) {
        run = new_run(followed);
        run->graph = graph;
        run->scalars = arguments.scalars;
        run->launched = tasks;
        accepted = scheduler_.launch(run);
        scheduler_.seal(*run);
        after_progress();
    }
    if (!accepted) {
        break_groups(*tasks);
        return std::move(accepted).error();
    }
    return run;
}

// A group's node and its members hold each other until it ends; one that was never accepted has to be taken apart.
void Engine::break_groups(std::vector<Task>& tasks) {
    for (Task& task : tasks) {
        task.members.clear();
    }
}

}  // namespace callring
