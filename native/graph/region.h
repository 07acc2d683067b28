// Region: the bytes that a strided view touches, in a normal form in which they are compared. Guarantees: exactly the
// touched bytes; two views of the same bytes have the same region if they differ only in the order or direction of
// their axes, or in axes that could be joined into one.
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

// A piece of contiguous bytes of one space, repeated along each axis. Bytes of different spaces never overlap. The
// number of a space is a buffer's id, an arena, or 0 for raw addresses of one process; it must stay valid for as long
// as accesses are recorded in it.
struct Region {
    std::uint64_t space = 0;
    std::uint64_t begin = 0;
    std::uint64_t piece_bytes = 0;  // 0: the region is empty
    std::uint32_t axis_count = 0;
    // By rising stride; each stride is more than the piece. Only the first `axis_count` are valid.
    std::array<Axis, CALLRING_MAX_RANK> axes;

    // A contiguous region.
    static Region bytes(std::uint64_t space, std::uint64_t begin, std::uint64_t end) noexcept {
        Region region;
        region.space = space;
        region.begin = begin;
        region.piece_bytes = end > begin ? end - begin : 0;
        return region;
    }

    Region() noexcept {}  // NOLINT(*-use-equals-default): a default constructor would clear unused axes
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

    // Repeats the region along an axis whose stride is at least as large as those of its axes. That adds an axis,
    // unless it extends the piece or the last axis.
    void repeat(const Axis& axis) noexcept {
        if (axis.stride <= piece_bytes) {  // the region has no axes yet: it extends the piece
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
    // The number of bytes from the first to the last one of the piece repeated along the first `count` axes.
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
// be negative or zero. `shape` and `strides` have the same length, at most CALLRING_MAX_RANK, and the view must lie
// inside the space (its maker has checked that). A raw pointer on a chip is space 0 with the address as base.
[[nodiscard]] Region region_of(std::uint64_t space, std::uint64_t base, std::uint64_t element_bytes,
                               std::span<const std::int64_t> shape, std::span<const std::int64_t> strides) noexcept;

}  // namespace callring
