// ParentBell: lets the parent sleep until any child completes a task; one bell for all lanes of a Worker.
// Guarantees: no wake-up is lost (its word is a sleep word: lane/sleep_word.h); a burst of completions costs at most
// one wake-up; while no thread has to be woken, children make no system call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "common/result.h"
#include "common/unique_fd.h"
#include "lane/futex.h"
#include "lane/layout.h"
#include "memory/shared_map.h"

namespace callring {

class ParentBell {
public:
    static Result<std::unique_ptr<ParentBell>> create();

    [[nodiscard]] int fd() const noexcept { return map_.fd(); }
    // Readable when the progress thread is needed.
    [[nodiscard]] int event_fd() const noexcept { return event_.get(); }

    // A caller sleeps until a child completes a task, ring() is called, or `deadline_ns`; returns at once if `ready()`
    // is true after the announcement.
    FutexWait sleep(const std::function<bool()>& ready, std::optional<std::uint64_t> deadline_ns);
    // Wakes the sleeping caller, if there is one.
    void ring() noexcept;

    // Requests the progress thread at the next completion; at once if `ready()` is true already.
    void arm_progress(const std::function<bool()>& ready);
    // Withdraws the request. Called before a caller drains the lanes.
    void disarm() noexcept;
    // Makes spins yield their core from the start. Called before the first child starts, if all children and a waiting
    // caller need more cores than there are.
    void share_cores() noexcept { bell().cores_are_shared = 1; }
    // Called by the progress thread: resets event_fd().
    void clear_event() noexcept;

private:
    ParentBell(SharedMap map, UniqueFd event) noexcept;
    [[nodiscard]] Bell& bell() const noexcept { return *reinterpret_cast<Bell*>(map_.data()); }
    [[nodiscard]] std::atomic<std::uint32_t>& state() const noexcept { return bell().state; }

    SharedMap map_;
    UniqueFd event_;
};

}  // namespace callring
