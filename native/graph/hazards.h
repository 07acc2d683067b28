// HazardMap: turns "task T reads / writes these bytes", told in submission order, into the tasks that T must follow.
// Guarantees: read-after-write, write-after-write and write-after-read on overlapping bytes are all reported; disjoint
// bytes never are. O(log n) per range, plus the history that a range meets. What may be forgotten is dropped at an
// amortised constant cost, so that data that is read for ever does not grow the map. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace callring {

using TaskId = std::uint64_t;

// The half-open range [begin, end) of bytes of one space. Bytes of different spaces never overlap. A space is whatever
// outlives the accesses recorded in it: a buffer's id, an arena, or 0 for raw addresses of one process.
struct ByteRange {
    std::uint64_t space = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;

    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

enum class Access : std::uint8_t { read, write };

class HazardMap {
public:
    // Records an access of `task` and appends the earlier tasks that it must follow; afterwards `dependencies` as a
    // whole is ascending and free of duplicates. A task never depends on itself: to read and write the same bytes,
    // record the read, then the write, with nothing of another task between them.
    //
    // `may_forget(TaskId) -> bool` says that no task has to follow this one any more (it ended, and well: a failed task
    // that must poison its successors may not be forgotten). Such tasks are not reported, and dropped eventually. Once
    // true, the answer for a task must stay true.
    template <class MayForget>
    void record(TaskId task, std::span<const ByteRange> ranges, Access access, std::vector<TaskId>& dependencies,
                const MayForget& may_forget);

    // The same, where nothing may be forgotten.
    void record(TaskId task, std::span<const ByteRange> ranges, Access access, std::vector<TaskId>& dependencies) {
        record(task, ranges, access, dependencies, [](TaskId) { return false; });
    }

    void clear();
    // Pieces of memory with a history of their own.
    [[nodiscard]] std::size_t segment_count() const noexcept { return segments_.size(); }

private:
    static constexpr TaskId kNobody = UINT64_MAX;
    static constexpr std::size_t kSmallestSweep = 256;
    static constexpr std::uint32_t kSmallestPrune = 16;

    // Who wrote these bytes last, and who read them since.
    struct Segment {
        std::uint64_t end = 0;
        TaskId writer = kNobody;
        std::vector<TaskId> readers;
        std::uint32_t prune_at = kSmallestPrune;  // number of readers at which to look for forgettable ones
    };
    using Key = std::pair<std::uint64_t, std::uint64_t>;  // space, begin
    using Segments = std::map<Key, Segment>;

    // Makes `position` a boundary; returns the first segment at or behind it.
    Segments::iterator split_at(std::uint64_t space, std::uint64_t position);
    // The segments inside `range`, cut at its ends: [first, last).
    std::pair<Segments::iterator, Segments::iterator> cut_out(const ByteRange& range);
    void set_writer(TaskId task, const ByteRange& range, Segments::iterator first, Segments::iterator last);
    // Covers the gaps of `range` between segments, so that a read leaves a trace on bytes without history.
    Segments::iterator fill_gaps(const ByteRange& range, Segments::iterator first, Segments::iterator last);
    void merge_equal_neighbours();

    template <class MayForget>
    static void add_reader(Segment& segment, TaskId task, const MayForget& may_forget);
    template <class MayForget>
    void sweep(const MayForget& may_forget);

    Segments segments_;
    std::size_t sweep_at_ = kSmallestSweep;  // number of segments at which to look for forgettable ones
};

template <class MayForget>
void HazardMap::record(TaskId task, std::span<const ByteRange> ranges, Access access, std::vector<TaskId>& dependencies,
                       const MayForget& may_forget) {
    const auto follow = [&](TaskId earlier) {
        if (earlier != kNobody && earlier != task && !may_forget(earlier)) {
            dependencies.push_back(earlier);
        }
    };
    for (const ByteRange& range : ranges) {
        if (range.begin >= range.end) {
            continue;
        }
        auto [first, last] = cut_out(range);
        for (auto it = first; it != last; ++it) {
            follow(it->second.writer);
            if (access == Access::write) {
                std::for_each(it->second.readers.begin(), it->second.readers.end(), follow);
            }
        }
        if (access == Access::write) {
            set_writer(task, range, first, last);
        } else {
            for (auto it = fill_gaps(range, first, last); it != last; ++it) {
                add_reader(it->second, task, may_forget);
            }
        }
    }
    std::sort(dependencies.begin(), dependencies.end());
    dependencies.erase(std::unique(dependencies.begin(), dependencies.end()), dependencies.end());
    if (segments_.size() >= sweep_at_) {
        sweep(may_forget);
    }
}

template <class MayForget>
void HazardMap::add_reader(Segment& segment, TaskId task, const MayForget& may_forget) {
    // The accesses of one task are recorded without those of another between them, so only the last reader can be
    // the same; and a task that follows the writer has no need to follow it as a reader.
    if (segment.writer == task || (!segment.readers.empty() && segment.readers.back() == task)) {
        return;
    }
    if (segment.readers.size() >= segment.prune_at) {
        std::erase_if(segment.readers, may_forget);
        segment.prune_at = std::max(kSmallestPrune, static_cast<std::uint32_t>(2 * segment.readers.size()));
    }
    segment.readers.push_back(task);
}

template <class MayForget>
void HazardMap::sweep(const MayForget& may_forget) {
    for (auto it = segments_.begin(); it != segments_.end();) {
        Segment& segment = it->second;
        std::erase_if(segment.readers, may_forget);
        if (segment.writer != kNobody && may_forget(segment.writer)) {
            segment.writer = kNobody;
        }
        it = segment.writer == kNobody && segment.readers.empty() ? segments_.erase(it) : std::next(it);
    }
    merge_equal_neighbours();
    // Twice what is left: as many records as there are segments pay for the next sweep.
    sweep_at_ = std::max(kSmallestSweep, 2 * segments_.size());
}

}  // namespace callring
