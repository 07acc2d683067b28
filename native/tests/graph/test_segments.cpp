// Segments against an oracle that keeps one writer for every single position.
#include <doctest/doctest.h>

#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "graph/segments.h"

using namespace callring;

namespace {

using Range = Segments::Range;
using Place = std::pair<std::uint64_t, std::uint64_t>;  // space, position

constexpr std::uint64_t kSpaces = 3;
constexpr std::uint64_t kPositions = 40;

Range random_range(std::mt19937& random) {
    const std::uint64_t begin = random() % (kPositions - 1);
    return {random() % kSpaces, begin, begin + 1 + (random() % (kPositions - begin))};
}

// Writes every position of `range`, as an access does.
void write(Segments& segments, const Range& range, TaskId task) {
    const auto [first, last] = segments.cut_out(range);
    segments.unite(range, first, last)->second.writer = task;
}

// The writer of each position that a segment covers. Segments must be disjoint, in order and not empty.
std::map<Place, TaskId> writers_of(Segments& segments) {
    std::map<Place, TaskId> writers;
    std::optional<Place> before;
    for (const auto& [key, segment] : segments) {
        REQUIRE(segment.end > key.second);
        REQUIRE((!before || *before <= key));
        for (std::uint64_t position = key.second; position < segment.end; ++position) {
            writers.emplace(Place{key.first, position}, segment.writer);
        }
        before = Place{key.first, segment.end};
    }
    return writers;
}

void set(std::map<Place, TaskId>& oracle, const Range& range, TaskId task) {
    for (std::uint64_t position = range.begin; position < range.end; ++position) {
        oracle[{range.space, position}] = task;
    }
}

}  // namespace

TEST_CASE("a cut changes no history, and gives both sides a copy of it") {
    Segments segments;
    write(segments, {1, 10, 20}, 7);
    segments.begin()->second.readers = {8, 9};
    const auto right = segments.split_at(1, 15);
    REQUIRE(segments.size() == 2);
    CHECK(right->first == Segments::Key{1, 15});
    CHECK(right->second.end == 20);
    CHECK(std::prev(right)->second.end == 15);
    CHECK(right->second.is_like(std::prev(right)->second));
    right->second.readers.clear();
    CHECK(std::prev(right)->second.readers.size() == 2);
}

TEST_CASE("a cut where no segment lies, or at the edge of one, cuts nothing and finds the next segment") {
    Segments segments;
    write(segments, {1, 10, 20}, 7);
    write(segments, {1, 20, 30}, 8);
    write(segments, {2, 5, 6}, 9);
    for (const std::uint64_t position : {0U, 9U, 10U}) {
        CHECK(segments.split_at(1, position)->first == Segments::Key{1, 10});
    }
    CHECK(segments.split_at(1, 20)->first == Segments::Key{1, 20});
    CHECK(segments.split_at(1, 30)->first == Segments::Key{2, 5});
    CHECK(segments.split_at(0, 15)->first == Segments::Key{1, 10});
    CHECK(segments.split_at(2, 6) == segments.end());
    CHECK(segments.split_at(3, 0) == segments.end());
    CHECK(segments.size() == 3);
}

TEST_CASE("a cut copies the segments of the next digit, so that a change on one side is not seen on the other") {
    Segments segments;
    const Range range{1, 0, 10};
    const auto [first, last] = segments.cut_out(range);
    segments.fill_gaps(range, first, last)->second.below = std::make_unique<Segments>();
    Segments& below = *segments.begin()->second.below;
    write(below, {1, 100, 110}, 5);
    write(below, {1, 120, 130}, 6);
    CHECK(segments.histories() == 2);
    const auto right = segments.split_at(1, 4);
    CHECK(segments.histories() == 4);
    CHECK(right->second.is_like(segments.begin()->second));
    write(*right->second.below, {1, 100, 110}, 7);
    CHECK_FALSE(right->second.is_like(segments.begin()->second));
    CHECK(segments.begin()->second.below->begin()->second.writer == 5);
}

TEST_CASE("random writes leave every position to its last writer") {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
        std::mt19937 random(seed);
        Segments segments;
        std::map<Place, TaskId> oracle;
        for (TaskId task = 0; task < 80; ++task) {
            const Range range = random_range(random);
            write(segments, range, task);
            set(oracle, range, task);
            REQUIRE(writers_of(segments) == oracle);
        }
    }
}

TEST_CASE("a range that was cut out consists of whole segments, exactly those that it covered before") {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
        std::mt19937 random(seed);
        Segments segments;
        for (TaskId task = 0; task < 6; ++task) {
            write(segments, random_range(random), task);
        }
        const auto before = writers_of(segments);
        for (int round = 0; round < 30; ++round) {
            const Range range = random_range(random);
            const auto [first, last] = segments.cut_out(range);
            std::map<Place, TaskId> inside;
            for (auto it = first; it != last; ++it) {
                REQUIRE(it->first.first == range.space);
                REQUIRE(it->first.second >= range.begin);
                REQUIRE(it->second.end <= range.end);
                set(inside, {range.space, it->first.second, it->second.end}, it->second.writer);
            }
            auto expected = before;
            std::erase_if(expected, [&](const auto& entry) {
                const auto& [space, position] = entry.first;
                return space != range.space || position < range.begin || position >= range.end;
            });
            REQUIRE(inside == expected);
            REQUIRE(writers_of(segments) == before);
        }
    }
}

TEST_CASE("after the gaps of a range were filled, its segments cover it without a gap, and new ones have no history") {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
        std::mt19937 random(seed);
        Segments segments;
        for (TaskId task = 0; task < 4; ++task) {
            write(segments, random_range(random), task);
        }
        for (int round = 0; round < 8; ++round) {
            auto expected = writers_of(segments);
            const Range range = random_range(random);
            for (std::uint64_t position = range.begin; position < range.end; ++position) {
                expected.emplace(Place{range.space, position}, Segment::kNobody);
            }
            const auto [first, last] = segments.cut_out(range);
            std::uint64_t covered = range.begin;
            for (auto it = segments.fill_gaps(range, first, last); it != last; ++it) {
                REQUIRE(it->first == Segments::Key{range.space, covered});
                covered = it->second.end;
            }
            REQUIRE(covered == range.end);
            REQUIRE(writers_of(segments) == expected);
        }
    }
}

TEST_CASE("neighbours of one history become one segment, and others stay apart") {
    Segments segments;
    write(segments, {1, 0, 10}, 7);
    write(segments, {1, 10, 20}, 7);
    write(segments, {1, 20, 30}, 8);
    write(segments, {1, 31, 40}, 8);  // behind a gap
    write(segments, {2, 40, 50}, 8);  // in another space
    segments.merge_equal(segments.begin(), segments.end());
    CHECK(segments.size() == 4);
    CHECK(segments.is_exactly(segments.begin(), {1, 0, 20}));
    segments.merge_equal(segments.begin(), segments.end());
    CHECK(segments.size() == 4);
    segments.begin()->second.readers.push_back(3);
    write(segments, {1, 20, 30}, 7);
    segments.merge_equal(segments.begin(), segments.end());
    CHECK(segments.size() == 4);  // the same writer, but other readers
    segments.merge_equal(segments.end(), segments.end());
}

TEST_CASE("merging never changes the writer of a position, and leaves no equal neighbours") {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
        std::mt19937 random(seed);
        Segments segments;
        for (int i = 0; i < 40; ++i) {
            write(segments, random_range(random), random() % 2);
        }
        const auto before = writers_of(segments);
        segments.merge_equal(segments.begin(), segments.end());
        REQUIRE(writers_of(segments) == before);
        for (auto it = segments.begin(); it != segments.end() && std::next(it) != segments.end(); ++it) {
            const auto next = std::next(it);
            const bool adjacent = it->first.first == next->first.first && it->second.end == next->first.second;
            REQUIRE((!adjacent || it->second.writer != next->second.writer));
        }
    }
}

TEST_CASE("all segments of one space can be taken out, and the others stay") {
    Segments segments;
    write(segments, {1, 0, 10}, 7);
    write(segments, {2, 0, 10}, 8);
    write(segments, {2, 20, 30}, 9);
    write(segments, {3, 0, 10}, 10);
    const auto taken = segments.take(2);
    CHECK(taken.size() == 2);
    CHECK(taken.at({2, 20}).writer == 9);
    CHECK(segments.size() == 2);
    CHECK(segments.take(2).empty());
    CHECK(segments.take(0).empty());
    CHECK(segments.histories() == 2);
    segments.clear();
    CHECK(segments.empty());
}

TEST_CASE("segments are equal if their places and histories are, at every depth") {
    const auto make = [](TaskId writer, TaskId below) {
        Segments segments;
        write(segments, {1, 0, 10}, writer);
        const Range range{1, 10, 20};
        segments.fill_gaps(range, segments.end(), segments.end())->second.below = std::make_unique<Segments>();
        write(*std::prev(segments.end())->second.below, {1, 0, 5}, below);
        return segments;
    };
    CHECK(make(1, 2) == make(1, 2));
    CHECK_FALSE(make(1, 2) == make(3, 2));
    CHECK_FALSE(make(1, 2) == make(1, 3));
    auto longer = make(1, 2);
    std::prev(longer.end())->second.end = 21;
    CHECK_FALSE(make(1, 2) == longer);
    auto more = make(1, 2);
    write(more, {1, 30, 40}, 1);
    CHECK_FALSE(make(1, 2) == more);
}
