// Engine: the end. Bounded, idempotent, and wakes every thread that waits.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <new>
#include <utility>

#include "common/clock.h"
#include "engine/engine.h"

namespace callring {

namespace {
// How long a child may take to die of SIGKILL before close() gives up waiting for it.
constexpr std::uint64_t kKillGraceNs = 5'000'000'000;
}  // namespace

void Engine::refuse() {
    const std::lock_guard lock(mutex_);
    closing_ = true;
}

bool Engine::closing() {
    const std::lock_guard lock(mutex_);
    return closing_;
}

std::vector<std::string> Engine::close(std::uint64_t budget_ns) {
    std::unique_lock lock(mutex_);
    closing_ = true;
    if (std::exchange(close_begun_, true)) {
        changed_.wait(lock, [this] { return closed_; });
        return {};
    }
    const std::uint64_t deadline = now_ns() + budget_ns;
    const KeepsBooks keeps(books_);
    try {
        while (scheduler_.pending() > 0 && now_ns() < deadline) {
            static_cast<void>(wait(lock, [this] { return scheduler_.pending() == 0; }, deadline));
        }
        for (const auto& weak : runs_) {
            if (const RunPtr run = weak.lock(); run && !books_.torn) {
                scheduler_.cancel(*run);
            }
        }
    } catch (const std::bad_alloc&) {
        books_.torn = true;  // then nothing is drained: all that is left is to end every child
    }
    // A replacement that is being launched just now is there afterwards; none will follow.
    lock.unlock();
    supervisor_->run([] {});
    lock.lock();

    std::vector<ChildPtr> children = scheduler_.children();
    for (const ChildPtr& child : children) {
        if (!child->requests && child->state == ChildState::starting) {
            child->state = ChildState::closed;
            child->start_again_ns = 0;
            if (!books_.torn) {
                scheduler_.give_up(*child, {.child = child->name(), .reason = "the Worker was closed"});
            }
        }
    }
    if (fork_server_) {
        children.push_back(fork_server_);  // last: it reaps the sub-workers and tells how they ended
    }
    const auto ended = [](const ChildPtr& child) {
        return !child->process || child->state == ChildState::lost || child->state == ChildState::closed;
    };
    const auto await_end = [&](const ChildPtr& child, std::uint64_t until) {
        while (!ended(child) && now_ns() < until) {
            changed_.wait_for(lock, std::chrono::nanoseconds(until - std::min(until, now_ns())));
        }
        return ended(child);
    };
    const auto ask_to_end = [](const ChildPtr& child) {
        if (child->requests) {
            MessageHeader header;
            header.op = static_cast<std::uint32_t>(Op::shutdown);
            child->requests->tell(header, {});
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
            ask_to_end(child);
        }
        if (!await_end(child, deadline)) {
            if (budget_ns > 0) {
                forced.push_back(child->name());
            }
            child->kill(SIGKILL);
            await_end(child, now_ns() + kKillGraceNs);
        }
    }
    lock.unlock();
    pool_->set_new_arena_hook({});
    lock.lock();
    changed_.wait(lock, [this] { return !receiving_ || books_.torn; });  // callers end soon, and none begins
    lock.unlock();
    supervisor_->stop();  // while it is still there for what was posted to it
    supervisor_.reset();
    lock.lock();
    // Nothing is started any more. A copy of the resource tracker's pipe would keep the tracker alive, for whose end
    // the interpreter waits when it ends.
    options_.python_descriptors.clear();
    for (const ChildPtr& child : scheduler_.children()) {
        if (const auto requests = std::move(child->requests)) {
            requests->fail_all({Code::closed, "the Worker was closed"});
        }
    }
    closed_ = true;
    after_progress();
    stream_changed_.notify_all();
    return forced;
}

}  // namespace callring
