// Inbox: a child's requests, from its socket and from notices to many children (control/broadcast.h).
// Guarantees: every notice that addresses this child is received once, in order; a notice that is published while the
// child checks for one, or before it sleeps, wakes it. Used by one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "common/result.h"
#include "common/unique_fd.h"
#include "control/channel.h"
#include "control/notice.h"
#include "memory/shared_map.h"

namespace callring {

class Inbox {
public:
    // For a child that only receives requests on its socket.
    Inbox() = default;
    // For a child at `place` that also receives the notices from number `next` on. `notices` and `event` are
    // Broadcast's. Errors: as SharedMap::attach(); malformed (not a broadcast's memory); io.
    static Result<Inbox> listen(const Channel& channel, UniqueFd notices, UniqueFd event, std::uint32_t place,
                                std::uint64_t next);

    // Waits for one request until `deadline_ns` (CLOCK_MONOTONIC), or without a deadline. Errors: as
    // Channel::receive(). `channel` is the same in every call.
    Result<Message> receive(const Channel& channel, std::optional<std::uint64_t> deadline_ns);

private:
    Inbox(SharedMap map, UniqueFd event, UniqueFd epoll, std::uint32_t place, std::uint64_t next) noexcept;
    Result<std::optional<Message>> take_notice();

    SharedMap map_;
    UniqueFd event_;
    UniqueFd epoll_;
    std::uint32_t place_ = 0;
    std::uint64_t next_ = 0;
};

}  // namespace callring
