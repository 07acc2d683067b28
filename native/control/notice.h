// Notice: the definition of a request that a parent writes once for many children, with its audience.
// A notice is not replaced before its audience has answered, and has the number 0 during the replacement. Other
// children may read its audience at any time, and check the number again before they trust the audience.
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
// Places in the audience; further children only receive requests on their sockets.
inline constexpr std::uint32_t kAudience = 256;
// The first sequence number of notices; the numbers of messages on a socket are smaller.
inline constexpr std::uint64_t kFirstNotice = std::uint64_t{1} << 63U;

struct Notice {
    // Its sequence number. Stored last, with release: a reader that loads it with acquire sees the other fields.
    alignas(kCacheLine) std::atomic<std::uint64_t> number;
    // One bit for each place. Loaded with acquire, stored with release: a reader that sees a later audience also sees
    // the number 0.
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
