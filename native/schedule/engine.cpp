// Engine: runs, submits and observation.
#include "schedule/engine.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "lane/frame.h"

namespace callring {

Result<std::unique_ptr<Engine>> Engine::create(EngineOptions options, std::shared_ptr<MemoryPool> pool) {
    // One core is left to whoever submits or waits.
    auto bell = ParentBell::create(std::max(1U, std::thread::hardware_concurrency()) - 1);
    if (!bell) {
        return std::move(bell).error();
    }
    std::unique_ptr<Engine> engine(new Engine(std::move(options), std::move(pool), std::move(bell).value()));
    Engine* self = engine.get();
    auto supervisor = Supervisor::create(
        engine->bell_->event_fd(),
        {
            .on_bell = [self] { self->on_bell(); },
            .on_readable = [self](Supervisor::Key key) { return self->on_readable(key); },
            .on_writable = [self](Supervisor::Key key) { return self->on_writable(key); },
            .on_exit = [self](Supervisor::Key key, const ExitStatus& status) { self->on_exit(key, status); },
            .next_deadline = [self] { return self->next_deadline(); },
            .on_deadline = [self] { self->on_deadline(); },
        });
    if (!supervisor) {
        return std::move(supervisor).error();
    }
    engine->supervisor_ = std::move(supervisor).value();
    engine->pool_->set_new_arena_hook([self](const std::shared_ptr<Arena>& arena) { return self->map_arena(arena); });
    return engine;
}

Engine::Engine(EngineOptions options, std::shared_ptr<MemoryPool> pool, std::unique_ptr<ParentBell> bell)
    : options_(std::move(options)),
      pool_(std::move(pool)),
      bell_(std::move(bell)),
      owner_(::getpid()),
      scheduler_(options_.trace),
      registrar_(scheduler_.children(), options_.max_callables, options_.control_timeout_ns,
                 {
                     .changed = [this] { changed_.notify_all(); },
                     .distrust = [this](Child& child, const std::string& why) { condemn(child, why); },
                 }) {
    scheduler_.on_callable_idle = [this](const CallablePtr& callable) {
        if (callable->removing()) {
            expect_deadline(now_ns() + options_.control_timeout_ns);
            registrar_.on_idle(callable);
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

RunPtr Engine::begin_stream() {
    RunPtr run = begin_run();
    run->stream = true;
    return run;
}

void Engine::seal(const RunPtr& run) {
    const std::lock_guard lock(mutex_);
    run->sealed = true;
    after_progress();
    stream_changed_.notify_all();
}

void Engine::cancel(const RunPtr& run) {
    const std::lock_guard lock(mutex_);
    scheduler_.cancel(*run);
    after_progress();
}

bool Engine::cancel(const TaskPtr& task) {
    const std::lock_guard lock(mutex_);
    const bool cancelled = scheduler_.cancel(task);
    after_progress();
    return cancelled;
}

Result<void> Engine::submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after) {
    // Spilling allocates, which may have to map a new arena into every child: never under the lock.
    const std::uint64_t bytes = argument_bytes(task->args);
    if (bytes > UINT32_MAX) {
        return Error{Code::invalid_argument, "the arguments take " + std::to_string(bytes) + " bytes; 4 GiB at most"};
    }
    task->argument_bytes = static_cast<std::uint32_t>(bytes);
    task->opaque = !task->args.opaque.empty();
    if (bytes > sizeof(Frame::arguments)) {
        auto buffer = pool_->allocate(bytes);
        if (!buffer) {
            return std::move(buffer).error();
        }
        task->spill = std::move(buffer).value();
        encode_arguments(task->args, {task->spill->data(), task->argument_bytes});
        task->args.opaque = {};
    }
    const std::lock_guard lock(mutex_);
    if (closing_) {
        return Error{Code::closed, "the Worker is closed"};
    }
    if (task->callable->removing()) {
        return Error{Code::handle_stale, "the callable was unregistered"};
    }
    if (registrar_.any_uncertain()) {
        if (std::string where = registrar_.uncertain_on(task->callable->spec.digest, task->callable->spec.runs_on);
            !where.empty()) {
            return Error{Code::cleanup_uncertain, std::move(where)};
        }
    }
    if (scheduler_.pending() >= options_.max_pending_tasks) {
        drain();
        after_progress();
        if (scheduler_.pending() >= options_.max_pending_tasks) {
            return Error{Code::back_pressure, std::to_string(scheduler_.pending()) + " tasks are pending"};
        }
    }
    auto accepted = scheduler_.submit(run, task, after);
    // A driver needs to know of what has ended, not of what has begun.
    if (task->state == TaskState::ended) {
        after_progress();
    } else {
        expect_progress();
    }
    return accepted;
}

std::vector<ChildSnapshot> Engine::children() {
    const std::lock_guard lock(mutex_);
    std::vector<ChildSnapshot> result;
    for (const ChildPtr& child : scheduler_.children()) {
        ChildSnapshot snapshot{child->kind,        child->id,    child->pid(),
                               child->incarnation, child->state, child->completed,
                               child->last_exit,   {},           {}};
        for (const auto& [digest, installation] : child->ledger.installations) {
            if (installation.confirmed > 0) {
                snapshot.installed.emplace(digest, installation.confirmed);
            }
            if (installation.uncertain()) {
                snapshot.uncertain.push_back(digest);
            }
        }
        result.push_back(std::move(snapshot));
    }
    return result;
}

Engine::Trace Engine::take_trace() {
    const std::lock_guard lock(mutex_);
    drain();
    Trace trace;
    trace.tasks = std::exchange(scheduler_.task_spans, {});
    trace.cores = std::exchange(scheduler_.core_spans, {});
    for (const ChildPtr& child : scheduler_.children()) {
        trace.dropped += child->lane ? child->lane->spans_dropped() : 0;
    }
    after_progress();
    return trace;
}

}  // namespace callring
