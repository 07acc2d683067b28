// Notice: the one definition of what a parent writes once for many children: a request, and whom it is for.
// A notice that is being replaced has the number 0. Those that it is for keep it from being replaced until they have
// answered; all others may read its audience at any time, and look at the number once more before they believe it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "control/message.h"
#include "lane/ring.h"

namespace callring {

inline constexpr std::size_t kNotices = 8;
// Places in the audience; a child beyond them is spoken to over its socket.
inline constexpr std::uint32_t kAudience = 256;
// Sequence numbers of notices; those of messages on a socket are below.
inline constexpr std::uint64_t kFirstNotice = std::uint64_t{1} << 63U;

struct Notice {
    // Its sequence number. Stored last, with release: who loads it with acquire sees the rest.
    alignas(kCacheLine) std::atomic<std::uint64_t> number;
    // A bit per place. Loaded with acquire, stored with release: who sees a later audience sees the number 0 as well.
    std::array<std::atomic<std::uint64_t>, kAudience / 64> audience;
    MessageHeader header;
    std::array<char, kMaxMessageBody> body;
};

struct Notices {
    std::array<Notice, kNotices> notices;

    [[nodiscard]] Notice& at(std::uint64_t number) noexcept { return notices[number % kNotices]; }
};
static_assert(std::is_standard_layout_v<Notices>);

}  // namespace callring
