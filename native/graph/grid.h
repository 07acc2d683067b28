// Grid: writes positions of bytes as digits, as hours, minutes and seconds write a time: with the pitches 400 and 8,
// byte 1234 is (3, 4, 2). A tile of a matrix is then a box, one interval for each digit, and boxes are compared, cut
// and found one digit after the other. Guarantees: the boxes of a region cover all its bytes, and no others unless more
// boxes were needed than asked for: then the last boxes cover gaps of the region, too. A region whose strides are
// pitches is few boxes; other regions are taken apart.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "common/tuning.h"
#include "graph/region.h"

namespace callring {

struct Interval {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

class Grid {
public:
    static constexpr std::size_t kMostPitches = CALLRING_MAX_RANK;
    using Box = std::array<Interval, kMostPitches + 1>;  // the coarsest digit first; the first `digits()` of them

    [[nodiscard]] std::size_t digits() const noexcept { return pitch_count_ + 1; }
    // Makes pitches of the strides of `region`, as far as they fit the existing pitches. Returns whether it made any.
    bool adopt(const Region& region) noexcept;

    // Calls visit(const Box&) for each box of `region`: at most about `most`. Returns whether the boxes cover exactly
    // the region's bytes.
    template <class Visit>
    bool for_each_box(const Region& region, const Visit& visit, std::size_t most = tuning::kMostBoxes) const {
        Walk<Visit> walk{*this, visit, most};
        walk.digit(0, region);
        return walk.is_exact;
    }
    // The region of a box of this grid.
    [[nodiscard]] Region region_of(std::uint64_t space, const Box& box) const noexcept;

private:
    template <class Visit>
    struct Walk {
        const Grid& grid;
        const Visit& visit;
        std::size_t left;  // boxes that may still be made before gaps are covered
        bool is_exact = true;
        Box box{};

        void digit(std::size_t level, const Region& region);
        void cover(std::size_t level, const Region& region);
        void each_of_last_axis(std::size_t level, const Region& region);
        void cut_along_axis(std::size_t level, const Region& region, std::uint32_t inner);
        std::uint64_t in_whole_rows(std::size_t level, const Region& region, std::uint32_t inner);
        void cut_piece(std::size_t level, const Region& region);
    };

    // The axes whose strides are less than `pitch`.
    static std::uint32_t axes_below(const Region& region, std::uint64_t pitch) noexcept {
        std::uint32_t count = 0;
        while (count < region.axis_count && region.axes[count].stride < pitch) {
            ++count;
        }
        return count;
    }

    std::array<std::uint64_t, kMostPitches> pitches_{};  // from the coarsest to the finest
    std::size_t pitch_count_ = 0;
};

// Visits the boxes of `region`, whose begin is relative to the position that the coarser digits in `box` give.
template <class Visit>
void Grid::Walk<Visit>::digit(std::size_t level, const Region& region) {
    if (left == 0 && region.axis_count > 0) {
        cover(level, region);
        return;
    }
    if (level == grid.pitch_count_) {
        if (region.axis_count > 0) {
            each_of_last_axis(level, region);
            return;
        }
        box[level] = {region.begin, region.begin + region.piece_bytes};
        left -= left > 0 ? 1 : 0;
        visit(static_cast<const Box&>(box));
        return;
    }
    const std::uint64_t pitch = grid.pitches_[level];
    const std::uint32_t inner = axes_below(region, pitch);
    const std::uint32_t outer = region.axis_count - inner;
    const std::uint64_t first = region.begin / pitch;
    const std::uint64_t from = region.begin % pitch;
    const bool one_step = outer == 1 && region.axes[inner].stride == pitch;
    if (outer > 1 || (outer == 1 && !one_step)) {
        each_of_last_axis(level, region);
        return;
    }
    if (from + region.span(inner) > pitch) {
        inner > 0 ? cut_along_axis(level, region, inner) : cut_piece(level, region);
        return;
    }
    box[level] = {first, first + (outer == 1 ? region.axes[inner].count : 1)};
    Region rest = region;
    rest.begin = from;
    rest.axis_count = inner;
    digit(level + 1, rest);
}

// One box from the region's first byte to its last.
template <class Visit>
void Grid::Walk<Visit>::cover(std::size_t level, const Region& region) {
    is_exact = false;
    digit(level, Region::bytes(region.space, region.begin, region.end()));
}

// Visits the repetitions along the axis with the largest stride one after the other.
template <class Visit>
void Grid::Walk<Visit>::each_of_last_axis(std::size_t level, const Region& region) {
    Region part = region;
    Axis& axis = part.axes[part.axis_count - 1];
    for (std::uint64_t i = 0; i < axis.count; ++i) {
        if (left == 0) {
            axis.count -= i;
            cover(level, part);
            return;
        }
        --part.axis_count;
        digit(level, part);
        ++part.axis_count;
        part.begin += axis.stride;
    }
}

// For a region that crosses multiples of the level's pitch: visits the parts before, between and behind them. The first
// `inner` axes have strides shorter than the pitch; the next one may have the pitch as its stride.
template <class Visit>
void Grid::Walk<Visit>::cut_along_axis(std::size_t level, const Region& region, std::uint32_t inner) {
    const std::uint64_t pitch = grid.pitches_[level];
    Region rest = region;
    Axis& along = rest.axes[inner - 1];
    const std::uint64_t span = region.span(inner - 1);
    for (;;) {
        const std::uint64_t room = pitch - (rest.begin % pitch);
        if (rest.span(inner) <= room || left == 0) {
            digit(level, rest);
            return;
        }
        std::uint64_t done = in_whole_rows(level, rest, inner);
        if (done == 0) {
            const std::uint64_t before = room >= span ? ((room - span) / along.stride) + 1 : 0;
            const bool is_across = before * along.stride < room;
            if (before > 0) {
                Region part = rest;
                part.axes[inner - 1].count = before;
                digit(level, part);
            }
            if (is_across) {
                Region part = rest;
                std::copy(rest.axes.begin() + inner, rest.axes.begin() + rest.axis_count,
                          part.axes.begin() + inner - 1);
                --part.axis_count;
                part.begin += before * along.stride;
                digit(level, part);
            }
            done = before + (is_across ? 1 : 0);
        }
        if (done == along.count) {
            return;
        }
        along.count -= done;
        rest.begin += done * along.stride;
    }
}

// Visits as one box the multiples of the level's pitch from the region's begin on, if the region has the same bytes in
// each and no other axis repeats them. Returns their number.
template <class Visit>
std::uint64_t Grid::Walk<Visit>::in_whole_rows(std::size_t level, const Region& region, std::uint32_t inner) {
    const std::uint64_t pitch = grid.pitches_[level];
    const Axis& along = region.axes[inner - 1];
    if (pitch % along.stride != 0 || (region.begin % pitch) + region.span(inner - 1) > along.stride ||
        region.axis_count > inner || inner == region.axes.size()) {
        return 0;
    }
    const std::uint64_t in_row = pitch / along.stride;
    const std::uint64_t rows = along.count / in_row;
    if (rows > 0) {
        Region part = region;
        part.axes[inner - 1].count = in_row;
        part.axes[part.axis_count++] = {pitch, rows};
        digit(level, part);
    }
    return rows * in_row;
}

// The same for a region without such axes.
template <class Visit>
void Grid::Walk<Visit>::cut_piece(std::size_t level, const Region& region) {
    const std::uint64_t pitch = grid.pitches_[level];
    const std::uint64_t room = pitch - (region.begin % pitch);
    // A repeated piece is shorter than the pitch.
    Region part = region;
    const std::uint64_t rows = room < pitch ? 0 : region.piece_bytes / pitch;
    if (rows == 0) {  // one box up to the next multiple, others behind it
        part.piece_bytes = room;
        digit(level, part);
        part.piece_bytes = region.piece_bytes - room;
        part.begin = region.begin + room;
        digit(level, part);
        return;
    }
    box[level] = {region.begin / pitch, (region.begin / pitch) + rows};
    digit(level + 1, Region::bytes(region.space, 0, pitch));
    if (const std::uint64_t rest = region.piece_bytes % pitch; rest > 0) {
        digit(level, Region::bytes(region.space, region.begin + (rows * pitch), region.begin + region.piece_bytes));
    }
}

}  // namespace callring
