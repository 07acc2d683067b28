// Broadcast: sends one request to many children at once. The parent writes the request once, into memory that they
// share, and wakes all of them with one system call. Each child answers on its socket. Guarantees: a request does not
// change until its children have answered or ended; no call waits for them. Not thread-safe: the engine's lock orders
// all calls.
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

    // The parts that a child needs to receive notices (control/inbox.h): the memory, the event that announces notices,
    // and the number of the first notice that can address it.
    [[nodiscard]] int fd() const noexcept { return map_.fd(); }
    [[nodiscard]] int event_fd() const noexcept { return event_.get(); }
    [[nodiscard]] std::uint64_t next() const noexcept { return next_; }

    // Begins the next notice. False: a notice has begun already, `body` is too long, or an earlier notice in the same
    // memory still lacks answers.
    [[nodiscard]] bool open(std::string_view body) noexcept;
    // Addresses the current notice to the child at `place` (< kAudience), too. Returns the notice's number.
    std::uint64_t address(std::uint32_t place) noexcept;
    // Publishes the current notice: writes it and wakes all children; does nothing if no child is addressed.
    void publish(MessageHeader header, std::string_view body) noexcept;
    // Called when a child that notice `number` addressed has answered or ended.
    void heard(std::uint64_t number) noexcept { --awaited_.at(number % kNotices); }

private:
    Broadcast(SharedMap map, UniqueFd event) noexcept;

    SharedMap map_;
    UniqueFd event_;
    std::uint64_t next_ = kFirstNotice;
    bool open_ = false;
    std::array<std::uint64_t, kAudience / 64> audience_{};  // of the current notice
    std::array<std::uint32_t, kNotices> awaited_{};         // the number of missing answers, by notice
};

}  // namespace callring
