// WaitLoop: who drains the lanes. One waiting caller, the driver, drains them all; while no caller waits, a thread that
// takes the ended tasks of a stream drives in the background; while none does either, the progress thread is asked to,
// if something depends on it (docs/explanation/the-core.md).
// All calls are under the engine's lock, which those that wait give up meanwhile, but for what says otherwise.
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

    // As many processes as cores, or more: a driver gives its core up sooner.
    void share_cores();

    // Whether a task ended. Throws bad_alloc if the books are torn.
    bool drain();
    // Something happened that waiting threads may wait for. Asks for the progress thread if it is needed.
    void after_progress();
    // Asks for the progress thread if it is needed.
    void expect_progress();
    // Wakes every thread that waits for anything, streams included.
    void tell_all();
    // Any thread: makes the driver look again, wherever it is.
    void nudge();
    // Of a child that has died: the driver may look at it while it is outside the lock.
    void keep(std::unique_ptr<ParentLane> lane) { old_lanes_.push_back(std::move(lane)); }

    // Until `done()`, the deadline, a signal, or a while.
    Waited wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                std::optional<std::uint64_t> deadline_ns);
    // Until `stream` has ended tasks, or is finished, or the engine is closed. Makes way for threads in wait().
    std::vector<TaskPtr> take_ended(std::unique_lock<std::mutex>& lock, Run& stream);
    // Ended tasks of a stream may be taken, or it was sealed.
    void tell_takers() { stream_changed_.notify_all(); }

private:
    [[nodiscard]] bool any_completion() const;  // any thread
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
    bool in_background_ = false;              // the driver is in take_ended(), and makes way
    std::uint32_t waiters_ = 0;               // callers in wait()
    std::uint32_t parked_takers_ = 0;         // callers in take_ended() to wake when no thread drives
    std::atomic<bool> nudged_{false};  // something that is no completion happened while the driver was outside the lock
    std::vector<std::unique_ptr<ParentLane>> old_lanes_;  // see keep()
};

}  // namespace callring
