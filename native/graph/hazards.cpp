#include "graph/hazards.h"

#include <utility>

#include "common/tuning.h"

namespace callring {

namespace {

// Inserts the history of a box. The box must have none: it would be lost.
void put(Segments& segments, std::uint64_t space, const Grid::Box& box, std::size_t level, std::size_t digits,
         const Segment& history) {
    const Segments::Range range{space, box[level].begin, box[level].end};
    const auto [met, last] = segments.cut_out(range);
    for (auto it = segments.fill_gaps(range, met, last); it != last; ++it) {
        if (level + 1 < digits) {
            if (!it->second.below) {
                it->second.below = std::make_unique<Segments>();
            }
            put(*it->second.below, space, box, level + 1, digits, history);
        } else {
            it->second.writer = history.writer;
            it->second.readers = history.readers;
            it->second.prune_at = history.prune_at;
        }
    }
}

void put(Segments& segments, const Grid& grid, const Region& region, const Segment& history) {
    // Exact boxes, without a bound for their number. They are few, since this grid has all pitches of the earlier grid.
    grid.for_each_box(
        region, [&](const Grid::Box& box) { put(segments, region.space, box, 0, grid.digits(), history); }, SIZE_MAX);
}

// Calls visit(const Segment&) for each history; `box` is then where it lies.
template <class Visit>
void for_each_history(Segments& segments, Grid::Box& box, std::size_t level, const Visit& visit) {
    for (auto& [key, segment] : segments) {
        box[level] = {key.second, segment.end};
        if (segment.below) {
            for_each_history(*segment.below, box, level + 1, visit);
        } else {
            visit(static_cast<const Segment&>(segment));
        }
    }
}

}  // namespace

HazardMap::Tiled& HazardMap::tile(const Region& region) {
    const auto [place, is_new] = tiled_.try_emplace(region.space);
    Tiled& tiled = place->second;
    const Grid earlier = tiled.grid;
    if (tiled.grid.adopt(region) && !tiled.segments.empty()) {
        Segments finer;
        Grid::Box box;
        for_each_history(tiled.segments, box, 0, [&](const Segment& history) {
            put(finer, tiled.grid, earlier.region_of(region.space, box), history);
        });
        tiled.segments = std::move(finer);
        in_tiles_ += tiled.segments.histories();
    }
    if (is_new) {
        for (const auto& [key, history] : contiguous_.take(region.space)) {
            put(tiled.segments, tiled.grid, Region::bytes(region.space, key.second, history.end), history);
        }
        in_tiles_ += tiled.segments.histories();
    }
    return tiled;
}

void HazardMap::clear() {
    contiguous_.clear();
    tiled_.clear();
    in_tiles_ = 0;
    sweep_at_ = tuning::kFirstSweep;
}

std::size_t HazardMap::segment_count() const noexcept {
    std::size_t count = contiguous_.size();
    for (const auto& [space, tiled] : tiled_) {
        count += tiled.segments.histories();
    }
    return count;
}

}  // namespace callring
