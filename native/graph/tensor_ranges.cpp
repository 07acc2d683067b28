#include "graph/tensor_ranges.h"

#include <algorithm>
#include <array>

#include "callring/chip.h"

namespace callring {

namespace {

struct Axis {
    std::uint64_t stride = 0;  // bytes, positive
    std::uint64_t count = 0;   // at least 2
};

}  // namespace

void append_ranges(std::uint64_t space, std::uint64_t base, std::uint64_t element_bytes,
                   std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
                   std::vector<ByteRange>& ranges) {
    std::array<Axis, CALLRING_MAX_RANK> axes;
    std::size_t axis_count = 0;
    std::uint64_t pieces = 1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == 0) {
            return;
        }
        if (shape[i] == 1 || strides[i] == 0) {
            continue;
        }
        const auto count = static_cast<std::uint64_t>(shape[i]);
        const std::uint64_t stride =
            static_cast<std::uint64_t>(strides[i] < 0 ? -strides[i] : strides[i]) * element_bytes;
        if (strides[i] < 0) {
            base -= stride * (count - 1);
        }
        // By rising stride; at most CALLRING_MAX_RANK axes, so that insertion is the fastest sort.
        std::size_t place = axis_count++;
        for (; place > 0 && axes.at(place - 1).stride > stride; --place) {
            axes.at(place) = axes.at(place - 1);
        }
        axes.at(place) = {stride, count};
        pieces *= count;
    }
    const auto axes_end = axes.begin() + static_cast<std::ptrdiff_t>(axis_count);

    // Inner axes become one contiguous piece while they leave no gap, or while there would be too many pieces.
    std::uint64_t piece_bytes = element_bytes;
    auto outer = axes.begin();
    for (; outer != axes_end && (outer->stride <= piece_bytes || pieces > kMaxRangesOfView); ++outer) {
        piece_bytes += outer->stride * (outer->count - 1);
        pieces /= outer->count;
    }

    const std::size_t before = ranges.size();
    ranges.push_back({space, base, base + piece_bytes});
    if (outer == axes_end) {
        return;
    }
    for (; outer != axes_end; ++outer) {
        const std::size_t repeated = ranges.size();
        for (std::uint64_t step = 1; step < outer->count; ++step) {
            for (std::size_t i = before; i < repeated; ++i) {
                const std::uint64_t shift = step * outer->stride;
                ranges.push_back({space, ranges[i].begin + shift, ranges[i].end + shift});
            }
        }
    }

    // Axes may interleave (a transposed window that overlaps itself): order and merge.
    const auto first = ranges.begin() + static_cast<std::ptrdiff_t>(before);
    std::sort(first, ranges.end(), [](const ByteRange& a, const ByteRange& b) { return a.begin < b.begin; });
    auto last = first;
    for (auto it = first + 1; it != ranges.end(); ++it) {
        if (it->begin <= last->end) {
            last->end = std::max(last->end, it->end);
        } else {
            *++last = *it;
        }
    }
    ranges.erase(last + 1, ranges.end());
}

}  // namespace callring
