// Engine: runs, submits and observation. Starting and closing: engine_children.cpp; waiting: engine_wait.cpp.
#include "schedule/engine.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/clock.h"
#include "lane/frame.h"

namespace callring {

Result<std::unique_ptr<Engine>> Engine::create(EngineOptions options, std::shared_ptr<MemoryPool> pool) {
    auto bell = ParentBell::create();
    if (!bell) {
        return std::move(bell).error();
    }
    std::unique_ptr<Engine> engine(new Engine(std::move(options), std::move(pool), std::move(bell).value()));
    auto supervisor = Supervisor::create(
        engine->bell_->event_fd(),
        {[self = engine.get()] { self->on_bell(); },
         [self = engine.get()](Child& child, const ExitStatus& status) { self->on_exit(child, status); }});
    if (!supervisor) {
        return std::move(supervisor).error();
    }
    engine->supervisor_ = std::move(supervisor).value();
    return engine;
}

Engine::Engine(EngineOptions options, std::shared_ptr<MemoryPool> pool, std::unique_ptr<ParentBell> bell)
    : options_(std::move(options)),
      pool_(std::move(pool)),
      bell_(std::move(bell)),
      owner_(::getpid()),
      scheduler_(options_.trace) {
    scheduler_.on_callable_idle = [this](const std::shared_ptr<Callable>& callable) {
        if (callable->removal_due) {
            due_removals_.push_back(callable);
            supervisor_->post([this] { send_due_removals(); });
        }
    };
}

Engine::~Engine() {
    if (::getpid() != owner_) {
        // A fork of the owner: the thread does not exist here and the children are not ours to end.
        [[maybe_unused]] const auto* not_ours = supervisor_.release();
        return;
    }
    static_cast<void>(close(0));
}

RunPtr Engine::begin_run() {
    const std::lock_guard lock(mutex_);
    auto run = std::make_shared<Run>();
    run->id = next_run_++;
    std::erase_if(runs_, [](const std::weak_ptr<Run>& earlier) { return earlier.expired(); });
    runs_.push_back(run);
    return run;
}

void Engine::seal(const RunPtr& run) {
    const std::lock_guard lock(mutex_);
    run->sealed = true;
    after_progress();
}

void Engine::cancel(const RunPtr& run) {
    const std::lock_guard lock(mutex_);
    scheduler_.cancel(*run);
    after_progress();
}

Result<void> Engine::submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after) {
    // Spilling allocates, which may have to map a new arena into every child: never under the lock.
    task->argument_bytes = argument_bytes(task->args);
    if (task->argument_bytes > sizeof(Frame::arguments)) {
        auto buffer = pool_->allocate(task->argument_bytes);
        if (!buffer) {
            return std::move(buffer).error();
        }
        task->spill = std::move(buffer).value();
        encode_arguments(task->args, {task->spill->data(), task->argument_bytes});
    }
    const std::lock_guard lock(mutex_);
    if (closing_) {
        return Error{Code::closed, "the Worker is closed"};
    }
    if (scheduler_.pending() >= options_.max_pending_tasks) {
        drain();
        if (scheduler_.pending() >= options_.max_pending_tasks) {
            return Error{Code::back_pressure, std::to_string(scheduler_.pending()) + " tasks are pending"};
        }
    }
    auto accepted = scheduler_.submit(run, task, after);
    after_progress();
    return accepted;
}

bool Engine::retire(const std::shared_ptr<Callable>& callable) {
    const std::lock_guard lock(mutex_);
    drain();
    if (callable->in_flight == 0) {
        after_progress();
        return true;
    }
    callable->removal_due = true;
    ++removals_pending_;
    after_progress();
    return false;
}

std::vector<ChildSnapshot> Engine::children() {
    const std::lock_guard lock(mutex_);
    std::vector<ChildSnapshot> result;
    for (const ChildPtr& child : scheduler_.children()) {
        const bool alive = child->state == ChildState::starting || child->state == ChildState::ready;
        result.push_back({child->kind, child->id, child->process.pid(), child->incarnation, child->state,
                          child->completed, alive ? std::string() : child->exit_status.describe(), child->installed});
    }
    return result;
}

ChildPtr Engine::child(ChildKind kind, std::uint32_t id) {
    const std::lock_guard lock(mutex_);
    for (const ChildPtr& child : scheduler_.children()) {
        if (child->kind == kind && child->id == id) {
            return child;
        }
    }
    return nullptr;
}

Engine::Trace Engine::take_trace() {
    const std::lock_guard lock(mutex_);
    drain();
    Trace trace;
    trace.tasks = std::exchange(scheduler_.task_spans, {});
    trace.cores = std::exchange(scheduler_.core_spans, {});
    for (const ChildPtr& child : scheduler_.children()) {
        trace.dropped += child->lane->spans_dropped();
    }
    after_progress();
    return trace;
}

}  // namespace callring
