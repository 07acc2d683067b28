// Spinners: which children of a Worker spin at the moment, in memory that all of them map; it bounds their number, so
// that on two cores with eight children nobody spins others away.
// Guarantees: wait-free; a child that dies while it spins is taken out by its parent, as one bit is all that it leaves.
// The bound is a hint: two children that begin at the same time may both spin.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace callring {

struct Spinners {
    static constexpr std::size_t kPlaces = 256;

    std::uint32_t most;  // how many may spin; constant
    std::array<std::atomic<std::uint64_t>, kPlaces / 64> places;

    // Whether the child at `place` may spin; if so, leave() follows. Children beyond the last place never spin.
    [[nodiscard]] bool enter(std::uint32_t place) noexcept {
        if (place >= kPlaces) {
            return false;
        }
        std::uint32_t spinning = 0;
        for (const auto& word : places) {
            spinning += static_cast<std::uint32_t>(std::popcount(word.load(std::memory_order_relaxed)));
        }
        if (spinning >= most) {
            return false;
        }
        places[place / 64].fetch_or(bit(place), std::memory_order_relaxed);
        return true;
    }
    // Also for the parent of a child that died.
    void leave(std::uint32_t place) noexcept {
        if (place < kPlaces) {
            places[place / 64].fetch_and(~bit(place), std::memory_order_relaxed);
        }
    }

private:
    static constexpr std::uint64_t bit(std::uint32_t place) noexcept { return std::uint64_t{1} << (place % 64U); }
};

}  // namespace callring
