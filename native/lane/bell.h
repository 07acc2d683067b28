// ParentBell: how the parent sleeps until any child completes something; one for all lanes of a Worker.
// Guarantees: no wake-up is lost (its word is a sleep word: lane/sleep_word.h); a burst of
// completions costs at most one wake-up; while no thread has to be woken, children make no system call.
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
    // Readable when the progress thread was asked for.
    [[nodiscard]] int event_fd() const noexcept { return event_.get(); }

    // A caller sleeps until a child completes something, ring() is called, or `deadline_ns`; returns at once if
    // `ready()` is true after the announcement.
    FutexWait sleep(const std::function<bool()>& ready, std::optional<std::uint64_t> deadline_ns);
    // Wakes the caller that sleeps, if one does.
    void ring() noexcept;

    // Asks for the progress thread at the next completion; if `ready()` is true already, at once.
    void arm_progress(const std::function<bool()>& ready);
    // Takes the request back, before a caller drains itself.
    void disarm() noexcept;
    // Before the first child starts: there are not enough cores for all children and a caller that waits.
    void share_cores() noexcept { bell().cores_are_shared = 1; }
    // The progress thread consumes what made event_fd() readable.
    void clear_event() noexcept;

private:
    ParentBell(SharedMap map, UniqueFd event) noexcept;
    [[nodiscard]] Bell& bell() const noexcept { return *reinterpret_cast<Bell*>(map_.data()); }
    [[nodiscard]] std::atomic<std::uint32_t>& state() const noexcept { return bell().state; }

    SharedMap map_;
    UniqueFd event_;
};

}  // namespace callring
