// Region: the bytes that a strided view touches, in a normal form that hazards are compared by. Guarantees: exactly the
// touched bytes; views of the same bytes that differ by the order or the direction of their axes, or by axes that
// continue each other, have the same region.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "callring/chip.h"

namespace callring {

// `count` repetitions, `stride` bytes from one to the next.
struct Axis {
    std::uint64_t stride = 0;
    std::uint64_t count = 0;

    friend bool operator==(const Axis&, const Axis&) = default;
};

// A piece of contiguous bytes of one space, repeated along each axis. Bytes of different spaces never overlap. A space
// is whatever outlives the accesses recorded in it: a buffer's id, an arena, or 0 for raw addresses of one process.
struct Region {
    std::uint64_t space = 0;
    std::uint64_t begin = 0;
    std::uint64_t piece_bytes = 0;  // 0: it has no bytes
    std::uint32_t axis_count = 0;
    std::array<Axis, CALLRING_MAX_RANK> axes;  // by rising stride, which is more than the piece; the first `axis_count`

    // A contiguous one.
    static Region bytes(std::uint64_t space, std::uint64_t begin, std::uint64_t end) noexcept {
        Region region;
        region.space = space;
        region.begin = begin;
        region.piece_bytes = end > begin ? end - begin : 0;
        return region;
    }

    Region() noexcept {}  // NOLINT(*-use-equals-default): with a default one, axes that are not used would be cleared
    Region(const Region& other) noexcept { *this = other; }
    Region& operator=(const Region& other) noexcept {
        space = other.space;
        begin = other.begin;
        piece_bytes = other.piece_bytes;
        axis_count = other.axis_count;
        for (std::uint32_t i = 0; i < axis_count; ++i) {
            axes[i] = other.axes[i];
        }
        return *this;
    }
    ~Region() = default;

    // Repeats it along an axis whose stride is no less than those of its axes: one more of them, unless that only
    // continues the piece or the last axis.
    void repeat(const Axis& axis) noexcept {
        if (axis.stride <= piece_bytes) {  // then there is no axis yet
            piece_bytes += axis.stride * (axis.count - 1);
            return;
        }
        if (axis_count > 0) {
            Axis& last = axes[axis_count - 1];
            const std::uint64_t steps = axis.stride / last.stride;
            if (axis.stride % last.stride == 0 && steps <= last.count) {
                last.count += steps * (axis.count - 1);
                return;
            }
        }
        axes[axis_count++] = axis;
    }

    friend bool operator==(const Region& a, const Region& b) noexcept {
        return a.space == b.space && a.begin == b.begin && a.piece_bytes == b.piece_bytes &&
               std::equal(a.axes.begin(), a.axes.begin() + a.axis_count, b.axes.begin(), b.axes.begin() + b.axis_count);
    }

    [[nodiscard]] bool empty() const noexcept { return piece_bytes == 0; }
    // Bytes from the first to behind the last of a piece and what repeats it along the first `count` axes.
    [[nodiscard]] std::uint64_t span(std::uint32_t count) const noexcept {
        std::uint64_t bytes = piece_bytes;
        for (std::uint32_t i = 0; i < count; ++i) {
            bytes += axes[i].stride * (axes[i].count - 1);
        }
        return bytes;
    }
    [[nodiscard]] std::uint64_t end() const noexcept { return begin + span(axis_count); }
};

// The region of one view. `base` is the position of element [0, 0, ...] within `space`; strides count elements and may
// be negative or zero. `shape` and `strides` have the same length, at most CALLRING_MAX_RANK, and must lie inside the
// space (validated by who made the view). A raw pointer on a chip is space 0 with the address as base.
[[nodiscard]] Region region_of(std::uint64_t space, std::uint64_t base, std::uint64_t element_bytes,
                               std::span<const std::int64_t> shape, std::span<const std::int64_t> strides) noexcept;

}  // namespace callring
