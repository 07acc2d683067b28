// Segments: disjoint intervals of one digit of positions. Each has a history, which is the task that wrote there last
// and those that have read since; or, if positions have more digits, the segments of the next digit. Segments are cut
// where an access begins and ends. Copies are deep: a cut copies the history to both sides. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "common/tuning.h"

namespace callring {

using TaskId = std::uint64_t;

struct Segment;

class Segments {
public:
    using Key = std::pair<std::uint64_t, std::uint64_t>;  // space, begin
    using Map = std::map<Key, Segment>;
    using Iterator = Map::iterator;

    struct Range {
        std::uint64_t space = 0;
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
    };

    [[nodiscard]] bool empty() const noexcept { return map_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return map_.size(); }
    // Counts the segments of the last digit, however deep they are.
    [[nodiscard]] std::size_t histories() const noexcept;
    [[nodiscard]] Iterator begin() noexcept { return map_.begin(); }
    [[nodiscard]] Iterator end() noexcept { return map_.end(); }
    void clear() noexcept { map_.clear(); }

    // Cuts the segment across `position`, if any; returns the first segment at or behind it.
    Iterator split_at(std::uint64_t space, std::uint64_t position);
    // Whether there is a segment at `place`, and it is exactly `range`.
    [[nodiscard]] bool is_exactly(Iterator place, const Range& range) const noexcept;
    // The segments inside `range`, cut at its ends: [first, last).
    std::pair<Iterator, Iterator> cut_out(const Range& range);
    // Adds segments for the gaps of `range`. Returns the first segment.
    Iterator fill_gaps(const Range& range, Iterator first, Iterator last);
    // Joins the segments to one without a history. Returns its place.
    Iterator unite(const Range& range, Iterator first, Iterator last);
    // Joins neighbours in [first, last) that have the same history.
    void merge_equal(Iterator first, Iterator last);
    Iterator erase(Iterator place) { return map_.erase(place); }
    // Removes the segments of `space`, and returns them.
    Map take(std::uint64_t space);

    friend bool operator==(const Segments& a, const Segments& b);

private:
    Map map_;
};

struct Segment {
    static constexpr TaskId kNobody = UINT64_MAX;

    std::uint64_t end = 0;
    TaskId writer = kNobody;
    std::vector<TaskId> readers;
    std::uint32_t prune_at =
        tuning::kFirstPruneOfReaders;  // the number of readers at which forgettable ones are dropped
    std::unique_ptr<Segments> below;   // the segments of the next digit, instead of writer and readers

    Segment() = default;
    Segment(const Segment& other);
    Segment& operator=(const Segment&) = delete;
    Segment(Segment&&) = default;
    Segment& operator=(Segment&&) = default;
    ~Segment() = default;

    // Forgets the history.
    void forget() noexcept {
        writer = kNobody;
        readers.clear();
        prune_at = tuning::kFirstPruneOfReaders;
    }
    // Whether two segments have the same history.
    [[nodiscard]] bool is_like(const Segment& other) const {
        return writer == other.writer && readers == other.readers && (below == nullptr) == (other.below == nullptr) &&
               (below == nullptr || *below == *other.below);
    }
};

inline bool Segments::is_exactly(Iterator place, const Range& range) const noexcept {
    return place != map_.end() && place->first == Key{range.space, range.begin} && place->second.end == range.end;
}

}  // namespace callring
