// The fingerprint of a frame's arguments: the number of its part, which is the first scalar, and a hash of all.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "lane/layout.h"
#include "memory/pool.h"

namespace callring::simulate {

[[nodiscard]] inline std::uint64_t fingerprint(std::span<const std::byte> bytes) noexcept {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (; bytes.size() >= sizeof hash; bytes = bytes.subspan(sizeof hash)) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        hash = (hash ^ word) * 0x100000001B3U;
        hash ^= hash >> 29U;
    }
    return hash;
}

// The argument blob of a frame, and the bytes behind it.
[[nodiscard]] inline std::span<const std::byte> arguments_in(const Frame& frame, const MemoryPool& pool) {
    if ((frame.config.flags & kFrameSpilled) == 0) {
        return frame.arguments;
    }
    SpillRecord spill{};
    std::memcpy(&spill, frame.arguments.data(), sizeof spill);
    for (const auto& arena : pool.arenas()) {
        if (arena->id() == spill.arena && spill.offset + spill.bytes <= arena->size()) {
            return {arena->data() + spill.offset, spill.bytes};
        }
    }
    return {};
}

// The first scalar of an argument blob (lane/frame.h); UINT64_MAX if there is none.
[[nodiscard]] inline std::uint64_t number_in(std::span<const std::byte> blob) noexcept {
    constexpr std::size_t kCounts = 8;
    constexpr std::size_t kRecord = 16;
    std::uint64_t number = UINT64_MAX;
    std::int32_t tensors = 0;
    if (blob.size() < kCounts) {
        return number;
    }
    std::memcpy(&tensors, blob.data(), sizeof tensors);
    std::size_t at = kCounts;
    for (; tensors > 0 && at + kRecord <= blob.size(); --tensors) {
        at += kRecord + (std::to_integer<std::size_t>(blob[at + 5]) * 16);
    }
    if (at + sizeof number <= blob.size()) {
        std::memcpy(&number, blob.data() + at, sizeof number);
    }
    return number;
}

}  // namespace callring::simulate
