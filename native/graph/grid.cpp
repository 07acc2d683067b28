#include "graph/grid.h"

#include <algorithm>

namespace callring {

// From the coarsest: a row is cut into columns, and not the other way round. A stride becomes a pitch only where the
// boxes that there are stay few: a multiple of the next finer one, and, if the next coarser one is no multiple of it,
// for regions that lie within that.
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
