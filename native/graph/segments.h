// Segments: disjoint intervals of one digit of positions, each with a history of its own: who wrote there last, and who
// read since; or, where the positions have more digits, with the segments of the next one. They are cut where an access
// begins and ends. Copies are deep: a cut copies the history to both sides. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

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
    // Of those of the last digit, wherever they are.
    [[nodiscard]] std::size_t histories() const noexcept;
    [[nodiscard]] Iterator begin() noexcept { return map_.begin(); }
    [[nodiscard]] Iterator end() noexcept { return map_.end(); }
    void clear() noexcept { map_.clear(); }

    // Makes `position` a boundary; returns the first segment at or behind it.
    Iterator split_at(std::uint64_t space, std::uint64_t position);
    // Whether the segment at `place`, if one is there, is `range`.
    [[nodiscard]] bool is_exactly(Iterator place, const Range& range) const noexcept;
    // The segments inside `range`, cut at its ends: [first, last).
    std::pair<Iterator, Iterator> cut_out(const Range& range);
    // Covers the gaps of `range` between them. The first.
    Iterator fill_gaps(const Range& range, Iterator first, Iterator last);
    // Makes them one, without a history. Its place.
    Iterator unite(const Range& range, Iterator first, Iterator last);
    // Makes one of neighbours in [first, last) that have the same history.
    void merge_equal(Iterator first, Iterator last);
    Iterator erase(Iterator place) { return map_.erase(place); }
    // Those of `space`, removed from here.
    Map take(std::uint64_t space);

    friend bool operator==(const Segments& a, const Segments& b);

private:
    Map map_;
};

struct Segment {
    static constexpr TaskId kNobody = UINT64_MAX;
    static constexpr std::uint32_t kSmallestPrune = 16;

    std::uint64_t end = 0;
    TaskId writer = kNobody;
    std::vector<TaskId> readers;
    std::uint32_t prune_at = kSmallestPrune;  // number of readers at which to look for forgettable ones
    std::unique_ptr<Segments> below;          // where there is another digit, instead of writer and readers

    Segment() = default;
    Segment(const Segment& other);
    Segment& operator=(const Segment&) = delete;
    Segment(Segment&&) = default;
    Segment& operator=(Segment&&) = default;
    ~Segment() = default;

    // As one that was never accessed.
    void forget() noexcept {
        writer = kNobody;
        readers.clear();
        prune_at = kSmallestPrune;
    }
    // The histories of two are the same.
    [[nodiscard]] bool is_like(const Segment& other) const {
        return writer == other.writer && readers == other.readers && (below == nullptr) == (other.below == nullptr) &&
               (below == nullptr || *below == *other.below);
    }
};

inline bool Segments::is_exactly(Iterator place, const Range& range) const noexcept {
    return place != map_.end() && place->first == Key{range.space, range.begin} && place->second.end == range.end;
}

}  // namespace callring
