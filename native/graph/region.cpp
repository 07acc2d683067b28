#include "graph/region.h"

namespace callring {

Region region_of(std::uint64_t space, std::uint64_t base, std::uint64_t element_bytes,
                 std::span<const std::int64_t> shape, std::span<const std::int64_t> strides) noexcept {
    // Most views are contiguous: each axis extends the axes within it.
    std::int64_t elements = 1;
    std::size_t left = shape.size();
    while (left > 0 && shape[left - 1] > 0 && (strides[left - 1] == elements || shape[left - 1] == 1)) {
        elements *= shape[--left];
    }
    if (left == 0) {
        return Region::bytes(space, base, base + (static_cast<std::uint64_t>(elements) * element_bytes));
    }
    Region region;
    region.space = space;
    region.begin = base;
    std::array<Axis, CALLRING_MAX_RANK> axes;
    std::size_t axis_count = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == 0) {
            return region;
        }
        if (shape[i] == 1 || strides[i] == 0) {
            continue;
        }
        const auto count = static_cast<std::uint64_t>(shape[i]);
        const std::uint64_t stride =
            static_cast<std::uint64_t>(strides[i] < 0 ? -strides[i] : strides[i]) * element_bytes;
        if (strides[i] < 0) {
            region.begin -= stride * (count - 1);
        }
        // Insertion is the fastest sort for at most CALLRING_MAX_RANK axes.
        std::size_t place = axis_count++;
        for (; place > 0 && axes[place - 1].stride > stride; --place) {
            axes[place] = axes[place - 1];
        }
        axes[place] = {stride, count};
    }
    region.piece_bytes = element_bytes;
    for (std::size_t i = 0; i < axis_count; ++i) {
        region.repeat(axes[i]);
    }
    return region;
}

}  // namespace callring
