// The predecessors of a frame in its lane, as its configuration names them: a few by their distances, more by a set of
// short distances. A distance is a difference of sequence numbers, from 1.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "lane/layout.h"

namespace callring {

struct Predecessors {
    // Distances, of which 0 is none; or, if `many`, a set: bit d - 1, from the lowest bit of the first word, stands for
    // the distance d.
    std::array<std::uint32_t, kMaxDistances> words;
    bool many;

    // Whether a frame can name `count` predecessors of which the farthest is `farthest` frames away.
    [[nodiscard]] static constexpr bool can_name(std::size_t count, std::uint64_t farthest) noexcept {
        return farthest <= (count <= kMaxDistances ? kMaxPredecessorDistance : kMaxDistanceInSet);
    }

    // Names `count` predecessors, at the distances `distance_of(0)` and so on; can_name() is true for them.
    template <class DistanceOf>
    void name(std::size_t count, const DistanceOf& distance_of) {
        words.fill(0);
        many = count > kMaxDistances;
        for (std::size_t i = 0; i < count; ++i) {
            const auto distance = static_cast<std::uint32_t>(distance_of(i));
            if (many) {
                words.at((distance - 1) / 32) |= 1U << ((distance - 1) % 32);
            } else {
                words.at(i) = distance;
            }
        }
    }

    // Calls `visit(distance)` for the distance of each predecessor.
    template <class Visit>
    void for_each(const Visit& visit) const {
        static_cast<void>(any_of([&](std::uint32_t distance) {
            visit(distance);
            return false;
        }));
    }
    // Whether `holds(distance)` for the distance of any predecessor.
    template <class Holds>
    [[nodiscard]] bool any_of(const Holds& holds) const {
        if (!many) {
            return std::ranges::any_of(words, [&](std::uint32_t distance) { return distance != 0 && holds(distance); });
        }
        std::uint32_t lowest = 1;  // the distance for which the word's lowest bit stands
        for (std::uint32_t word : words) {
            for (; word != 0; word &= word - 1) {
                if (holds(lowest + static_cast<std::uint32_t>(std::countr_zero(word)))) {
                    return true;
                }
            }
            lowest += 32;
        }
        return false;
    }
};

// Those that a frame with this configuration names.
[[nodiscard]] inline Predecessors predecessors_of(const FrameConfig& config) noexcept {
    return {config.predecessors, (config.flags & kFrameManyPredecessors) != 0};
}

}  // namespace callring
