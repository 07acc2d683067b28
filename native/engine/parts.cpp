#include "engine/parts.h"

#include <unistd.h>

#include <thread>
#include <utility>

#include "common/clock.h"

namespace callring {

Result<std::unique_ptr<EngineParts>> EngineParts::create(EngineOptions options, std::shared_ptr<MemoryPool> pool) {
    auto bell = ParentBell::create();
    if (!bell) {
        return std::move(bell).error();
    }
    auto broadcast = Broadcast::create();
    if (!broadcast) {
        return std::move(broadcast).error();
    }
    auto parts = std::make_unique<EngineParts>(std::move(options), std::move(pool), std::move(bell).value(),
                                               std::move(broadcast).value());
    Shared& shared = parts->shared;
    WaitLoop& waits = parts->waits;
    Recovery& recovery = parts->recovery;
    auto supervisor = Supervisor::create(
        shared.bell->event_fd(), shared.books,
        {
            .on_bell =
                [&shared, &waits] {
                    shared.bell->clear_event();
                    const std::lock_guard lock(shared.mutex);
                    waits.drain();
                    waits.after_progress();
                },
            .on_readable = [&recovery](Supervisor::Key key) { return recovery.on_readable(key); },
            .on_writable = [&recovery](Supervisor::Key key) { return recovery.on_writable(key); },
            .on_exit = [&recovery](Supervisor::Key key, const ExitStatus& status) { recovery.on_exit(key, status); },
            .next_deadline = [&recovery] { return recovery.next_deadline(); },
            .on_deadline = [&recovery] { recovery.on_deadline(); },
            .on_torn = [&recovery] { recovery.on_torn(); },
        });
    if (!supervisor) {
        return std::move(supervisor).error();
    }
    shared.supervisor = std::move(supervisor).value();
    return parts;
}

EngineParts::EngineParts(EngineOptions options, std::shared_ptr<MemoryPool> pool, std::unique_ptr<ParentBell> bell,
                         std::unique_ptr<Broadcast> broadcast)
    : shared(std::move(options), std::move(pool), std::move(bell), std::move(broadcast), *this,
             std::thread::hardware_concurrency()),
      registrar(shared.scheduler.children(), *shared.broadcast, shared.options.max_callables,
                shared.options.control_timeout_ns,
                {
                    .changed = [this] { shared.changed.notify_all(); },
                    .condemn = [](Child& child, const std::string& why) { child.condemn(why); },
                    .refused = [this](Child& child, const Callable& callable,
                                      const Error& error) { starter.install_refused(child, callable, error); },
                }),
      owner(::getpid()) {}

std::uint64_t EngineParts::now_ns() const noexcept {
    return callring::now_ns();
}

void EngineParts::wake(Child& child) {
    child.lane->wake();
}

void EngineParts::on_callable_idle(const CallablePtr& callable) {
    if (callable->removing()) {
        recovery.expect_deadline(now_ns() + shared.options.control_timeout_ns);
        registrar.on_idle(callable);
    }
}

void EngineParts::on_protocol_violation(Child& child, const std::string& what) {
    if (child.key != 0) {  // otherwise its death was reported already
        shared.protocol_violation(child, what);
    }
}

void EngineParts::on_run_finished(Run& run) {
    runs.tell_watchers(run);
}

void EngineParts::on_deadline_set(std::uint64_t at_ns) {
    recovery.expect_deadline(at_ns);
}

Result<void> EngineParts::check_accepting(const CallablePtr& callable) const {
    if (shared.closing) {
        return Error{Code::closed, "the Worker is closed"};
    }
    if (callable->removing()) {
        return Error{Code::handle_stale, "callable " + callable->spec.label + " was unregistered"};
    }
    return {};
}

// Drains before it refuses: tasks that have ended meanwhile make room.
Result<void> EngineParts::check_room() {
    if (shared.scheduler.pending() >= shared.options.max_pending_tasks) {
        waits.drain();
        waits.after_progress();
        if (shared.scheduler.pending() >= shared.options.max_pending_tasks) {
            return Error{Code::back_pressure, std::to_string(shared.scheduler.pending()) + " tasks are pending"};
        }
    }
    return {};
}

Result<void> EngineParts::check_submit(const Run& run, const CallablePtr& callable) {
    if (run.sealed) {
        return Error{Code::invalid_argument,
                     "its run has ended: an Orchestrator is valid while its orchestration function runs"};
    }
    if (auto checked = check_accepting(callable); !checked) {
        return checked;
    }
    return check_room();
}

}  // namespace callring
