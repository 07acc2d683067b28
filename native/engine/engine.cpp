// Engine: its creation, runs and callables. The rest is in submit.cpp, waiting.cpp, observe.cpp and close.cpp.
#include "engine/engine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "engine/parts.h"

namespace callring {

Engine::Engine(std::unique_ptr<EngineParts> parts) noexcept : parts_(std::move(parts)) {}

Result<std::unique_ptr<Engine>> Engine::create(EngineOptions options, std::shared_ptr<MemoryPool> pool) {
    auto parts = EngineParts::create(std::move(options), std::move(pool));
    if (!parts) {
        return std::move(parts).error();
    }
    std::unique_ptr<Engine> engine(new Engine(std::move(parts).value()));
    engine->parts_->shared.pool->set_new_arena_hook(
        [self = engine.get()](const std::shared_ptr<Arena>& arena) { return self->map_arena(arena); });
    return engine;
}

Engine::~Engine() {
    if (::getpid() != parts_->owner) {
        // This process is a fork of the owner: it has no progress thread, and the children belong to the owner.
        [[maybe_unused]] const auto* not_ours = parts_->shared.supervisor.release();
        return;
    }
    if (parts_->shared.supervisor) {  // null if creation failed, or after close()
        static_cast<void>(close(0));
    }
}

std::unique_lock<std::mutex> Engine::lock() {
    return std::unique_lock(parts_->shared.mutex);
}

Result<void> Engine::start(const std::vector<ChildSpec>& specs, std::uint64_t deadline_ns) {
    Shared& shared = parts_->shared;
    if (auto checked = shared.check_memory(); !checked) {
        static_cast<void>(close(0));
        return checked;
    }
    shared.start_deadline_ns = deadline_ns;
    shared.supervisor->run([&] {
        {
            const std::lock_guard lock(shared.mutex);
            for (const ChildSpec& spec : specs) {
                auto child = std::make_shared<Child>();
                child->index = static_cast<std::uint32_t>(shared.scheduler.children().size());
                child->kind = spec.kind;
                child->id = spec.id;
                child->setup = spec.setup;
                child->patience_ns = spec.patience_ns;
                child->restarts = RestartPolicy(shared.options.max_restarts, shared.options.restart_window_ns);
                shared.scheduler.add_child(std::move(child));
            }
            if (specs.size() >= std::thread::hardware_concurrency()) {
                parts_->waits.share_cores();
            }
        }
        // The fork server is started first: it imports Python modules while the chips start.
        if (std::any_of(specs.begin(), specs.end(),
                        [](const ChildSpec& spec) { return spec.kind != ChildKind::chip; })) {
            if (auto launched = parts_->starter.launch_fork_server(); !launched) {
                const std::lock_guard lock(shared.mutex);
                shared.start_error = std::move(launched).error();
                return;
            }
        }
        for (const ChildPtr& child : shared.scheduler.children()) {
            parts_->recovery.launch(child);
        }
    });
    Result<void> outcome;
    {
        std::unique_lock lock(shared.mutex);
        const auto& children = shared.scheduler.children();
        const auto not_ready = [&] {
            return std::find_if(children.begin(), children.end(),
                                [](const ChildPtr& child) { return child->state != ChildState::ready; });
        };
        const auto over = [&] {
            return shared.start_error || shared.closing || shared.books.torn || not_ready() == children.end();
        };
        while (!over() && now_ns() < deadline_ns) {
            shared.changed.wait_for(lock, std::chrono::nanoseconds(deadline_ns - std::min(deadline_ns, now_ns())),
                                    over);
        }
        if (shared.start_error) {
            outcome = *shared.start_error;
        } else if (shared.books.torn) {
            outcome = Error{Code::out_of_memory, "no memory is left"};
        } else if (shared.closing) {
            outcome = Error{Code::closed, "the Worker was closed while it started"};
        } else if (not_ready() != children.end()) {
            outcome = Error{Code::timeout, (*not_ready())->name() + " was not ready in time"};
        }
        shared.started = outcome.ok();
    }
    if (!outcome) {
        static_cast<void>(close(0));
    }
    return outcome;
}

std::optional<Refusal> Engine::refusal() {
    const auto held = lock();
    return parts_->starter.refusal();
}

// ---- callables and arenas -------------------------------------------------------------------------------------------

Result<OperationPtr> Engine::begin_register(CallableSpec spec) {
    Shared& shared = parts_->shared;
    if (auto checked = shared.check_memory(); !checked) {
        return std::move(checked).error();
    }
    std::unique_lock lock(shared.mutex);
    const KeepsBooks keeps(shared.books);
    if (shared.closing) {
        return Error{Code::closed, "the Worker is closed"};
    }
    parts_->recovery.expect_deadline(now_ns() + shared.options.control_timeout_ns);
    Result<OperationPtr> begun = OperationPtr();
    parts_->questions.ask(lock, [&] { begun = parts_->registrar.begin_register(std::move(spec)); });
    return begun;
}

Result<OperationPtr> Engine::begin_unregister(const CallablePtr& callable) {
    Shared& shared = parts_->shared;
    std::unique_lock lock(shared.mutex);
    const KeepsBooks keeps(shared.books);
    if (shared.closing) {
        return Error{Code::closed, "the Worker is closed"};
    }
    parts_->waits.drain();  // tasks that have ended must not delay the removal
    parts_->recovery.expect_deadline(now_ns() + shared.options.control_timeout_ns);
    Result<OperationPtr> begun = OperationPtr();
    parts_->questions.ask(lock, [&] { begun = parts_->registrar.begin_unregister(callable); });
    parts_->waits.after_progress();
    return begun;
}

void Engine::abandon(const OperationPtr& operation) {
    const auto held = lock();
    const KeepsBooks keeps(parts_->shared.books);
    if (operation->registers) {
        parts_->registrar.abandon(*operation);
    }
}

// Called with a new arena before a buffer is allocated in it.
Result<void> Engine::map_arena(const std::shared_ptr<Arena>& arena) {
    Shared& shared = parts_->shared;
    std::unique_lock lock(shared.mutex);
    const KeepsBooks keeps(shared.books);
    const std::uint64_t deadline = now_ns() + shared.options.control_timeout_ns;
    parts_->recovery.expect_deadline(deadline);
    std::shared_ptr<ArenaMapper::Mapping> mapping;
    parts_->questions.ask(lock, [&] { mapping = parts_->arenas.map(arena, deadline); });
    shared.changed.wait(lock, [&] { return mapping->open == 0 || shared.closed || shared.books.torn; });
    if (shared.books.torn) {
        return Error{Code::out_of_memory, "the Worker ran out of memory in the middle of its work; close it"};
    }
    if (mapping->failure) {
        parts_->arenas.forget(arena);
        return *mapping->failure;
    }
    return {};
}

// ---- runs -----------------------------------------------------------------------------------------------------------

Result<RunPtr> Engine::begin_run(const Followed& followed) {
    Shared& shared = parts_->shared;
    if (auto checked = shared.check_memory(); !checked) {
        return std::move(checked).error();
    }
    const auto held = lock();
    const KeepsBooks keeps(shared.books);
    if (shared.closing) {
        return Error{Code::closed, "the Worker is closed"};
    }
    if (parts_->runs.under_way() >= shared.options.max_runs) {
        parts_->waits.drain();
        if (const std::uint64_t runs = parts_->runs.under_way(); runs >= shared.options.max_runs) {
            parts_->waits.after_progress();
            return Error{Code::too_many_runs, std::to_string(runs) + " runs are under way"};
        }
    }
    return parts_->runs.begin(followed);
}

RunPtr Engine::begin_stream() {
    const auto held = lock();
    const KeepsBooks keeps(parts_->shared.books);
    return parts_->runs.begin_stream();
}

void Engine::seal(const RunPtr& run) {
    const auto held = lock();
    parts_->shared.scheduler.seal(*run);
    parts_->waits.after_progress();
    parts_->waits.tell_takers();
}

void Engine::cancel(const RunPtr& run) {
    const auto held = lock();
    const KeepsBooks keeps(parts_->shared.books);
    parts_->shared.scheduler.cancel(*run);
    parts_->waits.after_progress();
}

bool Engine::cancel(const TaskPtr& task) {
    const auto held = lock();
    const KeepsBooks keeps(parts_->shared.books);
    const bool cancelled = parts_->shared.scheduler.cancel(task);
    parts_->waits.after_progress();
    return cancelled;
}

bool Engine::end_running(const TaskPtr& task, Code code) {
    const auto held = lock();
    parts_->waits.drain();
    const Scheduler& scheduler = parts_->shared.scheduler;
    const bool ends = parts_->shared.scheduler.end_running(task, code);
    if (ends) {
        scheduler.children()[static_cast<std::size_t>(task->child)]->kill(SIGKILL);
    }
    parts_->waits.after_progress();
    return ends;
}

bool Engine::signal_running(const TaskPtr& task, int signal) {
    const auto held = lock();
    parts_->waits.drain();
    const Child* child = parts_->shared.scheduler.runner_of(*task);
    if (child != nullptr) {
        child->kill(signal);
    }
    parts_->waits.after_progress();
    return child != nullptr;
}

void Engine::watch_run(const RunPtr& run, int watcher) {
    const auto held = lock();
    parts_->waits.drain();
    parts_->runs.watch(*run, watcher);
    parts_->waits.after_progress();
}

void Engine::unwatch_run(const RunPtr& run, int watcher) {
    const auto held = lock();
    parts_->runs.unwatch(*run, watcher);
}

void Engine::leave_to_parent() noexcept {
    parts_->parents.store(true, std::memory_order_relaxed);
}

bool Engine::is_parents() const noexcept {
    return parts_->parents.load(std::memory_order_relaxed);
}

}  // namespace callring
