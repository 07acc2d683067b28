// Broadcast: how a parent asks many children the same at once: it writes the request once, into memory that they share,
// and wakes all of them with one system call. Each answers on its socket.
// Guarantees: a request stays as it is until its children have answered or are gone; it never waits for them.
// Not thread-safe: the engine's lock orders all calls.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/result.h"
#include "common/unique_fd.h"
#include "control/notice.h"
#include "memory/shared_map.h"

namespace callring {

class Broadcast {
public:
    static Result<std::unique_ptr<Broadcast>> create();

    // What a child needs to listen (control/inbox.h): the memory, the event that tells of notices, and the number of
    // the first one that can be for it.
    [[nodiscard]] int fd() const noexcept { return map_.fd(); }
    [[nodiscard]] int event_fd() const noexcept { return event_.get(); }
    [[nodiscard]] std::uint64_t next() const noexcept { return next_; }

    // Begins the next notice. False: one is begun already, `body` is too long for any, or the place of this one is
    // still taken by an earlier one without all its answers.
    [[nodiscard]] bool open(std::string_view body) noexcept;
    // The notice that is begun is for the child at `place` (< kAudience), too. Returns its number.
    std::uint64_t address(std::uint32_t place) noexcept;
    // Ends it: writes it and wakes all children; nothing if no child is addressed.
    void publish(MessageHeader header, std::string_view body) noexcept;
    // One of those whom `number` was for needs it no more: it answered, or is gone.
    void heard(std::uint64_t number) noexcept { --awaited_.at(number % kNotices); }

private:
    Broadcast(SharedMap map, UniqueFd event) noexcept;

    SharedMap map_;
    UniqueFd event_;
    std::uint64_t next_ = kFirstNotice;
    bool open_ = false;
    std::array<std::uint64_t, kAudience / 64> audience_{};  // of the notice that is begun
    std::array<std::uint32_t, kNotices> awaited_{};         // answers, by notice
};

}  // namespace callring
