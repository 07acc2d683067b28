#include "graph/grid.h"

#include <algorithm>

namespace callring {

// Coarse strides first: rows are cut into columns, and columns not into rows. A stride becomes a pitch only if existing
// boxes are not cut into many: it is a multiple of the next finer pitch, and the next coarser pitch is a multiple of
// it, or the region lies within that coarser pitch.
bool Grid::adopt(const Region& region) noexcept {
    bool is_new = false;
    for (std::uint32_t i = region.axis_count; i-- > 0;) {
        const std::uint64_t stride = region.axes[i].stride;
        const auto end = pitches_.begin() + static_cast<std::ptrdiff_t>(pitch_count_);
        const auto finer = std::find_if(pitches_.begin(), end, [&](std::uint64_t pitch) { return pitch <= stride; });
        if ((finer != end && stride % *finer != 0) || pitch_count_ == kMostPitches) {
            continue;
        }
        const bool is_known = finer != end && *finer == stride;
        const bool interleaves = region.span(i) > stride;
        const bool fits = finer == pitches_.begin() || *(finer - 1) % stride == 0 || region.span(i + 1) <= *(finer - 1);
        if (!is_known && !interleaves && fits) {
            std::copy_backward(finer, end, end + 1);
            *finer = stride;
            ++pitch_count_;
            is_new = true;
        }
    }
    return is_new;
}

Region Grid::region_of(std::uint64_t space, const Box& box) const noexcept {
    const Interval& bytes = box[pitch_count_];
    Region region = Region::bytes(space, bytes.begin, bytes.end);
    for (std::size_t level = pitch_count_; level-- > 0;) {
        const Interval& digit = box[level];
        region.begin += digit.begin * pitches_[level];
        if (digit.end - digit.begin > 1) {
            region.repeat({pitches_[level], digit.end - digit.begin});
        }
    }
    return region;
}

}  // namespace callring
