// Engine: waiting. One waiting caller, the driver, drains all lanes (docs/explanation/the-core.md). A thread that takes
// the ended tasks of a stream drives in the background: while no other thread waits.
#include <algorithm>
#include <chrono>
#include <utility>

#include "common/clock.h"
#include "engine/engine.h"
#include "memory/reserve.h"

namespace callring {

namespace {
// A signal that arrives between the caller's check and its sleep cannot interrupt that sleep; the caller then looks
// again after this long. Ordinary wake-ups never depend on it.
constexpr std::uint64_t kSignalSliceNs = 250'000'000;
constexpr std::chrono::milliseconds kMoment(2);

std::uint64_t slice(std::optional<std::uint64_t> deadline_ns) {
    const std::uint64_t next = now_ns() + kSignalSliceNs;
    return deadline_ns ? std::min(*deadline_ns, next) : next;
}
}  // namespace

bool Engine::any_completion() const {
    const auto& children = scheduler_.children();
    return std::any_of(children.begin(), children.end(), [](const ChildPtr& child) {
        const ParentLane* lane = child->lane_view.load(std::memory_order_acquire);
        return lane != nullptr && lane->has_completions();
    });
}

bool Engine::drain() {
    if (books_.torn) {
        throw_out_of_memory();
    }
    const KeepsBooks keeps(books_);
    if (scheduler_.drain() == 0) {
        return false;
    }
    changed_.notify_all();
    tell_stream_takers();
    return true;
}

void Engine::after_progress() {
    if (driving_) {
        // The driver may be anywhere between its unlock and its sleep: the flag reaches it before, the ring during.
        nudged_.store(true, std::memory_order_seq_cst);
        bell_->ring();
    }
    expect_progress();
    changed_.notify_all();
    tell_stream_takers();
}

void Engine::expect_progress() {
    if (!driving_ && (scheduler_.needs_progress() || watched_runs_ > 0 || registrar_.any_removal())) {
        bell_->arm_progress([this] { return any_completion(); });
    }
}

void Engine::tell_stream_takers() {
    if (scheduler_.take_stream_moved()) {
        stream_changed_.notify_all();
    }
}

// Sleeps without the lock until something completes, the driver is nudged, or the deadline.
void Engine::drive(std::unique_lock<std::mutex>& lock, std::optional<std::uint64_t> deadline_ns, FutexWait& slept) {
    driving_ = true;
    nudged_.store(false, std::memory_order_relaxed);
    lock.unlock();
    const auto ready = [this] { return any_completion() || nudged_.load(std::memory_order_seq_cst); };
    if (!spin_(ready)) {
        slept = bell_->sleep(ready, deadline_ns);
    } else {
        bell_->disarm();
    }
    lock.lock();
    driving_ = false;
    old_lanes_.clear();  // no thread looks at them without the lock any more
}

Waited Engine::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                    std::optional<std::uint64_t> deadline_ns) {
    Waited outcome = Waited::done;
    const std::uint64_t first_slice = slice(std::nullopt);
    ++waiters_;
    for (;;) {
        drain();
        if (done()) {
            break;
        }
        const std::uint64_t now = now_ns();
        if (deadline_ns && now >= *deadline_ns) {
            outcome = Waited::timed_out;
            break;
        }
        if (now >= first_slice) {
            outcome = Waited::interrupted;
            break;
        }
        if (driving_) {
            if (in_background_) {
                nudged_.store(true, std::memory_order_seq_cst);
                bell_->ring();
            }
            const std::uint64_t until = slice(deadline_ns);
            changed_.wait_for(lock, std::chrono::nanoseconds(until > now ? until - now : 0));
            continue;
        }
        FutexWait slept = FutexWait::woken;
        drive(lock, slice(deadline_ns), slept);
        if (slept == FutexWait::interrupted) {
            outcome = Waited::interrupted;
            break;
        }
    }
    --waiters_;
    after_progress();
    tell_parked_takers();
    return outcome;
}

std::vector<TaskPtr> Engine::take_ended(const RunPtr& stream) {
    std::unique_lock lock(mutex_);
    const auto done = [&] { return !stream->outbox.empty() || stream->finished() || closed_; };
    bool moved = false;
    for (;;) {
        moved = drain() || moved;
        if (done()) {
            break;
        }
        if (driving_ || waiters_ > 0) {
            make_way(lock, done);
            continue;
        }
        in_background_ = true;
        FutexWait slept = FutexWait::woken;
        drive(lock, std::nullopt, slept);
        in_background_ = false;
        changed_.notify_all();  // a waiting thread may drive now
    }
    std::vector<TaskPtr> ended = std::exchange(stream->outbox, {});
    if (moved) {
        after_progress();
    } else {
        expect_progress();
    }
    tell_parked_takers();
    return ended;
}

void Engine::give_back(const RunPtr& stream, std::vector<TaskPtr> ended) noexcept {
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    ended.insert(ended.end(), stream->outbox.begin(), stream->outbox.end());
    stream->outbox = std::move(ended);
}

// A caller that waits for something particular drives, and tells when there is something to take. Such waits often
// follow each other closely: a taker that drove between two would have to be woken for the second. So it looks again
// after a moment, and sleeps until it is woken because no thread drives, if one still does.
void Engine::make_way(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done) {
    if (!stream_changed_.wait_for(lock, kMoment, done) && (driving_ || waiters_ > 0)) {
        ++parked_takers_;
        stream_changed_.wait(lock);
        --parked_takers_;
    }
}

void Engine::tell_parked_takers() {
    if (parked_takers_ > 0 && waiters_ == 0) {
        stream_changed_.notify_all();
    }
}

void Engine::hand_over(const TaskPtr& task) {
    const std::lock_guard lock(mutex_);
    task->awaited = false;
    stream_changed_.notify_all();
}

bool Engine::running(const TaskPtr& task) {
    const std::lock_guard lock(mutex_);
    return task->state == TaskState::dispatched &&
           scheduler_.children()[static_cast<std::size_t>(task->child)]->lane->claimed(task->sequence);
}

Waited Engine::wait_for_run(const RunPtr& run, std::optional<std::uint64_t> deadline_ns) {
    std::unique_lock lock(mutex_);
    return wait(lock, [&] { return run->finished(); }, deadline_ns);
}

Waited Engine::wait_for_task(const TaskPtr& task, std::optional<std::uint64_t> deadline_ns) {
    std::unique_lock lock(mutex_);
    task->awaited = true;
    const Waited waited = wait(lock, [&] { return task->state == TaskState::ended; }, deadline_ns);
    task->awaited = waited == Waited::interrupted;
    return waited;
}

void Engine::count_wait() {
    const std::lock_guard lock(mutex_);
    ++submit_waits_;
}

Waited Engine::wait_for_room(std::uint64_t deadline_ns) {
    std::unique_lock lock(mutex_);
    return wait(lock, [&] { return closing_ || scheduler_.pending() < options_.max_pending_tasks; }, deadline_ns);
}

Waited Engine::wait_for_progress(std::uint64_t ended, std::uint64_t deadline_ns) {
    std::unique_lock lock(mutex_);
    const auto moved = [&] {
        return closing_ || scheduler_.pending() == 0 || scheduler_.counts().accepted - scheduler_.pending() > ended;
    };
    return wait(lock, moved, deadline_ns);
}

Waited Engine::wait_for_run_slot(std::uint64_t deadline_ns) {
    std::unique_lock lock(mutex_);
    return wait(lock, [&] { return closing_ || runs_under_way() < options_.max_runs; }, deadline_ns);
}

bool Engine::poll_run(const RunPtr& run) {
    const std::lock_guard lock(mutex_);
    drain();
    after_progress();
    return run->finished();
}

bool Engine::poll_task(const TaskPtr& task) {
    const std::lock_guard lock(mutex_);
    drain();
    after_progress();
    return task->state == TaskState::ended;
}

void Engine::on_bell() {
    bell_->clear_event();
    const std::lock_guard lock(mutex_);
    drain();
    after_progress();
}

}  // namespace callring
