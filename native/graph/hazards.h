// HazardMap: records which bytes each task reads and writes, in the order of submission, and returns the earlier tasks
// that a task must follow.
// Guarantees: read-after-write, write-after-write and write-after-read on overlapping bytes are all reported; disjoint
// bytes never are, except where graph/grid.h covers many small pieces by larger ones. A region costs O(log n) and the
// histories that it overlaps. Histories that may be forgotten are dropped at an amortised constant cost, so that data
// that is read again and again does not grow the map. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "common/tuning.h"
#include "graph/grid.h"
#include "graph/region.h"
#include "graph/segments.h"

namespace callring {

enum class Access : std::uint8_t { read, write };

class HazardMap {
public:
    // Records an access of `task` and appends the earlier tasks that it must follow; afterwards all of `dependencies`
    // is in ascending order, without duplicates. A task never depends on itself. For a task that reads and writes the
    // same bytes, record the read, then the write, and no access of another task between them.
    //
    // `may_forget(TaskId) -> bool` returns whether later tasks need not follow this one: it has succeeded. (A failed
    // task must still make those that follow it fail.) Such tasks are not reported, and are dropped at some time. Once
    // true for a task, the answer must stay true.
    template <class MayForget>
    void record(TaskId task, const Region& region, Access access, std::vector<TaskId>& dependencies,
                const MayForget& may_forget);

    // The same; no task may be forgotten.
    void record(TaskId task, const Region& region, Access access, std::vector<TaskId>& dependencies) {
        record(task, region, access, dependencies, [](TaskId) { return false; });
    }

    // The same, but `dependencies` is neither sorted nor free of duplicates. For a task with many regions: the caller
    // sorts once after the last region.
    template <class MayForget>
    void record_unordered(TaskId task, const Region& region, Access access, std::vector<TaskId>& dependencies,
                          const MayForget& may_forget);
    static void put_in_order(std::vector<TaskId>& dependencies) {
        std::sort(dependencies.begin(), dependencies.end());
        dependencies.erase(std::unique(dependencies.begin(), dependencies.end()), dependencies.end());
    }

    void clear();
    // The number of pieces of memory that have a history of their own.
    [[nodiscard]] std::size_t segment_count() const noexcept;

private:
    // A space with an access that has strides: the segments of the first digit, and the grid of further digits.
    struct Tiled {
        Grid grid;
        Segments segments;
    };

    // One access; the argument of the recursion over digits.
    template <class Follow, class MayForget>
    struct Recorded {
        TaskId task;
        Access access;
        std::uint64_t space;
        const Follow& follow;
        const MayForget& may_forget;
    };

    // The space of `region`, after its grid was fitted to the region.
    Tiled& tile(const Region& region);

    template <class Follow, class MayForget>
    static void follow_history(const Segment& segment, const Recorded<Follow, MayForget>& recorded);
    template <class Follow, class MayForget>
    static void access_range(Segments& segments, const Segments::Range& range,
                             const Recorded<Follow, MayForget>& recorded);
    template <class Follow, class MayForget>
    void access_box(Segments& segments, const Grid::Box& box, std::size_t level, std::size_t digits,
                    const Recorded<Follow, MayForget>& recorded);
    template <class MayForget>
    static void add_reader(Segment& segment, TaskId task, const MayForget& may_forget);
    template <class MayForget>
    void sweep(const MayForget& may_forget);
    template <class MayForget>
    static void sweep(Segments& segments, const MayForget& may_forget);

    Segments contiguous_;                             // of spaces without a grid
    std::unordered_map<std::uint64_t, Tiled> tiled_;  // spaces with a grid, by their numbers
    std::size_t in_tiles_ = 0;                        // an upper bound of the number of histories in `tiled_`
    std::size_t sweep_at_ = tuning::kFirstSweep;      // the number of segments at which forgettable ones are dropped
};

template <class MayForget>
void HazardMap::record(TaskId task, const Region& region, Access access, std::vector<TaskId>& dependencies,
                       const MayForget& may_forget) {
    record_unordered(task, region, access, dependencies, may_forget);
    put_in_order(dependencies);
}

template <class MayForget>
void HazardMap::record_unordered(TaskId task, const Region& region, Access access, std::vector<TaskId>& dependencies,
                                 const MayForget& may_forget) {
    if (region.empty()) {
        return;
    }
    const auto follow = [&](TaskId earlier) {
        if (earlier != Segment::kNobody && earlier != task && !may_forget(earlier)) {
            dependencies.push_back(earlier);
        }
    };
    const Recorded<decltype(follow), MayForget> recorded{task, access, region.space, follow, may_forget};
    if (region.axis_count == 0 && (tiled_.empty() || !tiled_.contains(region.space))) {
        access_range(contiguous_, {region.space, region.begin, region.begin + region.piece_bytes}, recorded);
    } else {
        Tiled& tiled = tile(region);
        tiled.grid.for_each_box(
            region, [&](const Grid::Box& box) { access_box(tiled.segments, box, 0, tiled.grid.digits(), recorded); });
    }
    if (contiguous_.size() + in_tiles_ >= sweep_at_) {
        sweep(may_forget);
    }
}

template <class Follow, class MayForget>
void HazardMap::follow_history(const Segment& segment, const Recorded<Follow, MayForget>& recorded) {
    recorded.follow(segment.writer);
    if (recorded.access == Access::write) {
        std::for_each(segment.readers.begin(), segment.readers.end(), recorded.follow);
    }
}

template <class Follow, class MayForget>
void HazardMap::access_range(Segments& segments, const Segments::Range& range,
                             const Recorded<Follow, MayForget>& recorded) {
    const auto first = segments.split_at(range.space, range.begin);
    if (segments.is_exactly(first, range)) {  // most accesses have the range of an earlier one
        Segment& segment = first->second;
        follow_history(segment, recorded);
        if (recorded.access == Access::write) {
            segment.forget();
            segment.writer = recorded.task;
        } else {
            add_reader(segment, recorded.task, recorded.may_forget);
        }
        return;
    }
    const auto last = segments.split_at(range.space, range.end);
    for (auto it = first; it != last; ++it) {
        follow_history(it->second, recorded);
    }
    if (recorded.access == Access::write) {
        segments.unite(range, first, last)->second.writer = recorded.task;
        return;
    }
    for (auto it = segments.fill_gaps(range, first, last); it != last; ++it) {
        add_reader(it->second, recorded.task, recorded.may_forget);
    }
}

template <class Follow, class MayForget>
void HazardMap::access_box(Segments& segments, const Grid::Box& box, std::size_t level, std::size_t digits,
                           const Recorded<Follow, MayForget>& recorded) {
    const Segments::Range range{recorded.space, box[level].begin, box[level].end};
    const std::size_t before = segments.size();
    if (level + 1 == digits) {
        access_range(segments, range, recorded);
        in_tiles_ += segments.size() > before ? segments.size() - before : 0;
        return;
    }
    const auto [met, last] = segments.cut_out(range);
    const auto first = segments.fill_gaps(range, met, last);
    for (auto it = first; it != last; ++it) {
        if (!it->second.below) {
            it->second.below = std::make_unique<Segments>();
        }
        access_box(*it->second.below, box, level + 1, digits, recorded);
    }
    if (segments.size() > before) {  // a cut copied the segments of the next digit
        in_tiles_ += first->second.below->histories() * (segments.size() - before);
    }
    if (recorded.access == Access::write) {
        segments.merge_equal(first, last);
    }
}

template <class MayForget>
void HazardMap::add_reader(Segment& segment, TaskId task, const MayForget& may_forget) {
    // No access of another task is recorded between those of one task, so only the last reader can be the same task;
    // and a task that follows the writer already need not follow it as a reader.
    if (segment.writer == task || (!segment.readers.empty() && segment.readers.back() == task)) {
        return;
    }
    if (segment.readers.size() >= segment.prune_at) {
        std::erase_if(segment.readers, may_forget);
        segment.prune_at =
            std::max(tuning::kFirstPruneOfReaders, static_cast<std::uint32_t>(2 * segment.readers.size()));
    }
    segment.readers.push_back(task);
}

template <class MayForget>
void HazardMap::sweep(const MayForget& may_forget) {
    sweep(contiguous_, may_forget);
    in_tiles_ = 0;
    for (auto it = tiled_.begin(); it != tiled_.end();) {
        sweep(it->second.segments, may_forget);
        in_tiles_ += it->second.segments.histories();
        it = it->second.segments.empty() ? tiled_.erase(it) : std::next(it);
    }
    // At twice the number that is left: the next sweep is then paid for by as many new segments as it looks at.
    sweep_at_ = std::max(tuning::kFirstSweep, 2 * (contiguous_.size() + in_tiles_));
}

template <class MayForget>
void HazardMap::sweep(Segments& segments, const MayForget& may_forget) {
    for (auto it = segments.begin(); it != segments.end();) {
        Segment& segment = it->second;
        bool is_empty = false;
        if (segment.below) {
            sweep(*segment.below, may_forget);
            is_empty = segment.below->empty();
        } else {
            std::erase_if(segment.readers, may_forget);
            if (segment.writer != Segment::kNobody && may_forget(segment.writer)) {
                segment.writer = Segment::kNobody;
            }
            is_empty = segment.writer == Segment::kNobody && segment.readers.empty();
        }
        it = is_empty ? segments.erase(it) : std::next(it);
    }
    segments.merge_equal(segments.begin(), segments.end());
}

}  // namespace callring
