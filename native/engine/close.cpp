// Engine: close(). It is bounded and idempotent, and wakes every waiting thread.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <new>
#include <utility>

#include "common/clock.h"
#include "common/tuning.h"
#include "engine/engine.h"
#include "engine/parts.h"
#include "processes/fork_servers.h"

namespace callring {

namespace {
enum class Rest : std::uint8_t { kept, ended, not_asked };

// Keeps the fork server for the next Worker of this process, or ends it if it does not rest in time. Does not ask one
// that has ended or does not answer.
Rest keep_fork_server(EngineParts& parts, std::uint64_t deadline_ns) {
    if (!ForkServers::of_this_process().keeps()) {
        return Rest::not_asked;
    }
    Shared& shared = parts.shared;
    ChildPtr server;
    Channel control;
    shared.supervisor->run([&] {
        const std::lock_guard lock(shared.mutex);
        if (shared.fork_server && parts.starter.find(shared.fork_server->key) &&
            shared.fork_server->condemned.empty() && shared.fork_server->requests->unanswered() == 0) {
            control = Channel(UniqueFd::copy_of(shared.fork_server->requests->channel().fd()));
            if (control.fd() < 0) {
                return;
            }
            server = parts.starter.take(shared.fork_server->key);
            shared.supervisor->forget(server->key);
            shared.fork_server = nullptr;
        }
    });
    if (!server) {
        return Rest::not_asked;
    }
    const bool rests = ForkServers::of_this_process().keep({server->process, std::move(control)}, deadline_ns);
    return rests ? Rest::kept : Rest::ended;
}
}  // namespace

void Engine::refuse() {
    const auto held = lock();
    parts_->shared.closing = true;
}

bool Engine::closing() {
    const auto held = lock();
    return parts_->shared.closing;
}

std::vector<std::string> Engine::close(std::uint64_t budget_ns) {
    Shared& shared = parts_->shared;
    std::unique_lock lock(shared.mutex);
    shared.closing = true;
    if (std::exchange(parts_->close_begun, true)) {
        shared.changed.wait(lock, [&shared] { return shared.closed; });
        return {};
    }
    const std::uint64_t deadline = now_ns() + budget_ns;
    const KeepsBooks keeps(shared.books);
    try {
        while (shared.scheduler.pending() > 0 && now_ns() < deadline) {
            static_cast<void>(
                parts_->waits.wait(lock, [&shared] { return shared.scheduler.pending() == 0; }, deadline));
        }
        if (!shared.books.torn) {
            parts_->runs.cancel_all();
        }
    } catch (const std::bad_alloc&) {
        shared.books.torn = true;  // then nothing is drained, and every child is ended
    }
    // After this, a replacement that was just being launched exists, and no further one is launched.
    lock.unlock();
    shared.supervisor->run([] {});
    lock.lock();

    std::vector<ChildPtr> children = shared.scheduler.children();
    for (const ChildPtr& child : children) {
        if (!child->requests && child->state == ChildState::starting) {
            child->state = ChildState::closed;
            child->start_again_ns = 0;
            if (!shared.books.torn) {
                shared.scheduler.give_up(*child, {.child = child->name(), .reason = "the Worker was closed"});
            }
        }
    }
    if (shared.fork_server) {
        children.push_back(shared.fork_server);  // last: it reaps the sub-workers and reports how they ended
    }
    const auto ended = [](const ChildPtr& child) {
        return !child->process || child->state == ChildState::lost || child->state == ChildState::closed;
    };
    const auto await_end = [&](const ChildPtr& child, std::uint64_t until) {
        while (!ended(child) && now_ns() < until) {
            shared.changed.wait_for(lock, std::chrono::nanoseconds(until - std::min(until, now_ns())));
        }
        return ended(child);
    };
    const auto ask_to_end = [](const ChildPtr& child) {
        if (child->requests) {
            child->requests->tell(header_of(Op::shutdown), {});
        }
    };

    std::vector<std::string> forced;
    for (const ChildPtr& child : children) {
        if (child->kind != ChildKind::fork_server) {
            ask_to_end(child);
        }
    }
    for (const ChildPtr& child : children) {
        if (child->kind == ChildKind::fork_server) {
            if (budget_ns > 0) {
                lock.unlock();
                const Rest rest = keep_fork_server(*parts_, deadline);
                lock.lock();
                if (rest == Rest::ended) {
                    forced.push_back(child->name());
                }
                if (rest != Rest::not_asked) {
                    continue;
                }
            }
            ask_to_end(child);
        }
        if (!await_end(child, deadline)) {
            if (budget_ns > 0) {
                forced.push_back(child->name());
            }
            child->kill(SIGKILL);
            await_end(child, now_ns() + tuning::kKillGraceNs);
        }
    }
    lock.unlock();
    shared.pool->set_new_arena_hook({});
    lock.lock();
    shared.changed.wait(lock, [this] {
        return !parts_->questions.receiving() || parts_->shared.books.torn;
    });  // callers that receive answers stop within a moment, and no further caller begins
    lock.unlock();
    shared.supervisor->stop();  // before it is destroyed: it still has to do the posted work
    shared.supervisor.reset();
    lock.lock();
    // No child is started from here on. An open copy of the resource tracker's pipe would keep the tracker alive, and
    // an interpreter that exits waits for its tracker.
    shared.options.python_descriptors.clear();
    for (const ChildPtr& child : shared.scheduler.children()) {
        if (const auto requests = std::move(child->requests)) {
            requests->fail_all({Code::closed, "the Worker was closed"});
        }
    }
    shared.closed = true;
    parts_->waits.after_progress();
    parts_->waits.tell_takers();
    return forced;
}

}  // namespace callring
