// WaitLoop: decides which thread drains the lanes. One waiting caller, the driver, drains them all. While no caller
// waits, a thread that takes the ended tasks of a stream drives in the background. Without such a thread, the progress
// thread drains them if anything depends on it (docs/explanation/the-core.md).
// All calls are made under the engine's lock, which a waiting call releases, except where a comment says otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/run_table.h"
#include "engine/shared.h"
#include "lane/spin.h"
#include "registry/registrar.h"

namespace callring {

class WaitLoop {
public:
    WaitLoop(Shared& shared, const RunTable& runs, const Registrar& registrar) noexcept
        : shared_(shared), runs_(runs), registrar_(registrar) {}

    // To be called if there are at least as many processes as cores: a driver then spins for a shorter time.
    void share_cores();

    // Takes the completions of all lanes. Returns whether a task ended. Throws bad_alloc if the books are torn.
    bool drain();
    // To be called after a change that threads may wait for. Wakes the progress thread if it is needed.
    void after_progress();
    // Wakes the progress thread if it is needed to drain.
    void expect_progress();
    // Wakes all waiting threads, those of streams included.
    void tell_all();
    // Makes the driver check its condition again, whether it spins, sleeps or is about to sleep. May be called by any
    // thread, also without the lock.
    void nudge();
    // Keeps the lane of a child that has died while the driver may still read it outside the lock.
    void keep(std::unique_ptr<ParentLane> lane) { old_lanes_.push_back(std::move(lane)); }

    // Waits until `done()`, the deadline or a signal; also returns `interrupted` after a while without any of them.
    // `for_one`: whether only the end of one task, which is marked as awaited, or of one run can make it done. The
    // driver then sleeps through completions that bring neither nearer (Scheduler::ring_from).
    Waited wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                std::optional<std::uint64_t> deadline_ns, bool for_one = false);
    // Waits until tasks of `stream` have ended, `stream` is finished, or the engine is closed. Lets threads in wait()
    // drive.
    std::vector<TaskPtr> take_ended(std::unique_lock<std::mutex>& lock, Run& stream);
    // To be called when tasks of a stream may be taken, or a stream was sealed.
    void tell_takers() { stream_changed_.notify_all(); }

private:
    [[nodiscard]] bool any_completion() const;  // any thread
    [[nodiscard]] bool any_rings() const;       // any thread
    void sleep_through(bool some);
    void hear_all();
    void drive(std::unique_lock<std::mutex>& lock, std::optional<std::uint64_t> deadline_ns, FutexWait& slept);
    void make_way(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done);
    void tell_stream_takers();
    void tell_parked_takers();

    Shared& shared_;
    const RunTable& runs_;
    const Registrar& registrar_;
    std::condition_variable stream_changed_;  // tasks of a stream ended
    AdaptiveSpin spin_;                       // of the driver
    bool driving_ = false;                    // a caller drains; others sleep on Shared::changed
    bool in_background_ = false;              // the driver is in take_ended(): a caller in wait() replaces it
    bool sleeps_through_ = false;             // some lanes do not ring for every completion
    std::uint32_t waiters_ = 0;               // callers in wait()
    std::uint32_t parked_takers_ = 0;         // callers in take_ended() that are woken when no thread drives
    std::atomic<bool> nudged_{false};         // the driver must check again, though no task completed
    std::vector<std::unique_ptr<ParentLane>> old_lanes_;  // see keep()
};

}  // namespace callring
