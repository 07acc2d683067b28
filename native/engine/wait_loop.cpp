#include "engine/wait_loop.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/clock.h"
#include "common/tuning.h"

namespace callring {

namespace {

std::uint64_t slice(std::optional<std::uint64_t> deadline_ns) {
    const std::uint64_t next = now_ns() + tuning::kSignalSliceNs;
    return deadline_ns ? std::min(*deadline_ns, next) : next;
}

// Whether `is_so` holds for the lane of any child. Any thread.
template <class IsSo>
bool any_lane(const Shared& shared, const IsSo& is_so) {
    const auto& children = shared.scheduler.children();
    return std::any_of(children.begin(), children.end(), [&](const ChildPtr& child) {
        const ParentLane* lane = child->lane_view.load(std::memory_order_acquire);
        return lane != nullptr && is_so(*lane);
    });
}

}  // namespace

void WaitLoop::share_cores() {
    shared_.bell->share_cores();
    spin_ = AdaptiveSpin(Core::offered);
}

bool WaitLoop::any_completion() const {
    return any_lane(shared_, [](const ParentLane& lane) { return lane.has_completions(); });
}

bool WaitLoop::any_rings() const {
    return any_lane(shared_, [](const ParentLane& lane) { return lane.rings(); });
}

bool WaitLoop::drain() {
    if (shared_.books.torn) {
        throw_out_of_memory();
    }
    const KeepsBooks keeps(shared_.books);
    if (shared_.scheduler.drain() == 0) {
        return false;
    }
    if (driving_) {
        nudge();  // a driver that is about to sleep would find no completion: this thread has taken it
    }
    shared_.changed.notify_all();
    tell_stream_takers();
    return true;
}

void WaitLoop::nudge() {
    // The driver may be anywhere between its unlock and its sleep. The flag reaches it before it sleeps, the bell
    // during its sleep.
    nudged_.store(true, std::memory_order_seq_cst);
    shared_.bell->ring();
}

void WaitLoop::after_progress() {
    if (driving_) {
        nudge();
    }
    expect_progress();
    shared_.changed.notify_all();
    tell_stream_takers();
}

// Decides which completions wake the driver. A second waiting thread may wait for anything, and a callable that is
// being removed waits for the last of its tasks.
void WaitLoop::sleep_through(bool some) {
    some = some && waiters_ == 1 && !registrar_.any_removal();
    if (!some && !sleeps_through_) {
        return;
    }
    sleeps_through_ = false;
    for (const ChildPtr& child : shared_.scheduler.children()) {
        if (child->lane) {
            const std::uint64_t from = some ? shared_.scheduler.ring_from(*child) : 0;
            child->lane->ring_from(from);
            sleeps_through_ = sleeps_through_ || from != 0;
        }
    }
}

// Ends the sleep through completions: another thread has changed what is waited for.
void WaitLoop::hear_all() {
    if (!sleeps_through_) {
        return;
    }
    sleep_through(false);
    if (driving_ && any_completion()) {
        nudge();  // no child may ring for it any more
    }
}

void WaitLoop::expect_progress() {
    hear_all();
    if (!driving_ && (shared_.scheduler.needs_progress() || runs_.any_watched() || registrar_.any_removal())) {
        shared_.bell->arm_progress([this] { return any_completion(); });
    }
}

void WaitLoop::tell_all() {
    nudge();
    shared_.changed.notify_all();
    stream_changed_.notify_all();
}

void WaitLoop::tell_stream_takers() {
    if (shared_.scheduler.take_stream_moved()) {
        stream_changed_.notify_all();
    }
}

// Sleeps without the lock until a task completes, the driver is nudged, or the deadline is reached.
void WaitLoop::drive(std::unique_lock<std::mutex>& lock, std::optional<std::uint64_t> deadline_ns, FutexWait& slept) {
    driving_ = true;
    nudged_.store(false, std::memory_order_relaxed);
    lock.unlock();
    const auto ready = [this] { return any_rings() || nudged_.load(std::memory_order_seq_cst); };
    if (!spin_(ready)) {
        slept = shared_.bell->sleep(ready, deadline_ns);
    } else {
        shared_.bell->disarm();
    }
    lock.lock();
    driving_ = false;
    old_lanes_.clear();  // no thread reads them without the lock any more
}

Waited WaitLoop::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                      std::optional<std::uint64_t> deadline_ns, bool for_one) {
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
                nudge();
            }
            hear_all();
            const std::uint64_t until = slice(deadline_ns);
            shared_.changed.wait_for(lock, std::chrono::nanoseconds(until > now ? until - now : 0));
            continue;
        }
        FutexWait slept = FutexWait::woken;
        sleep_through(for_one);
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

std::vector<TaskPtr> WaitLoop::take_ended(std::unique_lock<std::mutex>& lock, Run& stream) {
    const auto done = [&] { return !stream.outbox.empty() || stream.finished() || shared_.closed; };
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
        sleep_through(false);
        drive(lock, std::nullopt, slept);
        in_background_ = false;
        shared_.changed.notify_all();  // a waiting thread may drive now
    }
    std::vector<TaskPtr> ended = std::exchange(stream.outbox, {});
    if (moved) {
        after_progress();
    } else {
        expect_progress();
    }
    tell_parked_takers();
    return ended;
}

// Lets a thread in wait() drive. That thread notifies stream_changed_ when tasks of the stream have ended. Such waits
// often follow each other closely, and a taker that drove between two of them would have to be woken for the second. So
// the taker checks again after a moment; if another thread still drives, it sleeps until none does.
void WaitLoop::make_way(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done) {
    if (!stream_changed_.wait_for(lock, std::chrono::nanoseconds(tuning::kTakerPauseNs), done) &&
        (driving_ || waiters_ > 0)) {
        ++parked_takers_;
        stream_changed_.wait(lock);
        --parked_takers_;
    }
}

void WaitLoop::tell_parked_takers() {
    if (parked_takers_ > 0 && waiters_ == 0) {
        stream_changed_.notify_all();
    }
}

}  // namespace callring
