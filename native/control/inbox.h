// Inbox: what a child is asked, over its socket and by notices for many children (control/broadcast.h).
// Guarantees: every notice that is for this child is received once, in order; a notice that comes while it looks for
// one, or between that and its sleep, is not slept through. Used by one thread.
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
    // A child that only its socket speaks to.
    Inbox() = default;
    // A child at `place` that also hears the notices from number `next` on. `notices` and `event`: Broadcast's.
    // Errors: as SharedMap::attach(); malformed (not a broadcast's memory); io.
    static Result<Inbox> listen(const Channel& channel, UniqueFd notices, UniqueFd event, std::uint32_t place,
                                std::uint64_t next);

    // Waits for one request until `deadline_ns` (CLOCK_MONOTONIC); without one, for ever. Errors: as
    // Channel::receive(). `channel`: always the one that it listens to.
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
