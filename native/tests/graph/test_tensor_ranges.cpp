// The byte ranges of strided views, against the bytes of every single element.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <vector>

#include "graph/tensor_ranges.h"

using namespace callring;

namespace {

using Extents = std::vector<std::int64_t>;

std::vector<ByteRange> ranges_of(std::uint64_t base, std::uint64_t element_bytes, const Extents& shape,
                                 const Extents& strides) {
    std::vector<ByteRange> ranges;
    append_ranges(3, base, element_bytes, shape, strides, ranges);
    return ranges;
}

std::set<std::uint64_t> bytes_of_elements(std::uint64_t base, std::uint64_t element_bytes, const Extents& shape,
                                          const Extents& strides) {
    std::vector<std::int64_t> offsets{0};
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        std::vector<std::int64_t> next;
        for (const std::int64_t offset : offsets) {
            for (std::int64_t i = 0; i < shape[axis]; ++i) {
                next.push_back(offset + (i * strides[axis]));
            }
        }
        offsets = std::move(next);
    }
    std::set<std::uint64_t> bytes;
    for (const std::int64_t offset : offsets) {
        for (std::uint64_t i = 0; i < element_bytes; ++i) {
            bytes.insert(base + (static_cast<std::uint64_t>(offset) * element_bytes) + i);
        }
    }
    return bytes;
}

std::set<std::uint64_t> bytes_of_ranges(const std::vector<ByteRange>& ranges) {
    std::set<std::uint64_t> bytes;
    for (const ByteRange& range : ranges) {
        for (std::uint64_t byte = range.begin; byte < range.end; ++byte) {
            bytes.insert(byte);
        }
    }
    return bytes;
}

}  // namespace

TEST_CASE("a contiguous view is one range whatever its rank") {
    CHECK(ranges_of(128, 4, {}, {}) == std::vector<ByteRange>{{3, 128, 132}});
    CHECK(ranges_of(128, 4, {5}, {1}) == std::vector<ByteRange>{{3, 128, 148}});
    CHECK(ranges_of(128, 4, {100, 100, 100}, {10000, 100, 1}) == std::vector<ByteRange>{{3, 128, 4'000'128}});
    CHECK(ranges_of(128, 4, {3, 1, 5}, {5, 99, 1}) == std::vector<ByteRange>{{3, 128, 188}});
}

TEST_CASE("a transposed or reversed view touches the same bytes as the original") {
    const auto original = ranges_of(0, 8, {4, 6}, {6, 1});
    CHECK(ranges_of(0, 8, {6, 4}, {1, 6}) == original);
    CHECK(ranges_of(std::uint64_t{23} * 8, 8, {4, 6}, {-6, -1}) == original);
}

TEST_CASE("a view without elements touches nothing") {
    CHECK(ranges_of(128, 4, {5, 0, 2}, {2, 2, 1}).empty());
}

TEST_CASE("a broadcast axis adds no bytes") {
    CHECK(ranges_of(128, 4, {1'000'000, 2}, {0, 1}) == std::vector<ByteRange>{{3, 128, 136}});
}

TEST_CASE("interleaved column blocks of one matrix are disjoint while 64 pieces are enough") {
    const auto left = ranges_of(0, 4, {64, 8}, {16, 1});
    const auto right = ranges_of(32, 4, {64, 8}, {16, 1});
    CHECK(left.size() == 64);
    for (std::size_t i = 0; i < left.size(); ++i) {
        CHECK(left[i].end <= right[i].begin);
    }
}

TEST_CASE("more than 64 pieces are covered by fewer, larger ones") {
    CHECK(ranges_of(0, 4, {65, 8}, {16, 1}) == std::vector<ByteRange>{{3, 0, (64 * 64) + 32}});
    // The outer axis stays exact: the gaps between the 4 planes are not claimed.
    const auto planes = ranges_of(0, 4, {4, 65, 8}, {2000, 16, 1});
    REQUIRE(planes.size() == 4);
    CHECK(planes[0].end < planes[1].begin);
}

TEST_CASE("ranges are appended behind what is there") {
    std::vector<ByteRange> ranges{{3, 0, 500}};
    append_ranges(3, 128, 4, Extents{5}, Extents{1}, ranges);
    CHECK(ranges == std::vector<ByteRange>{{3, 0, 500}, {3, 128, 148}});
}

TEST_CASE("random views are covered, ascending and disjoint, and exact where 64 pieces are enough") {
    std::mt19937 random(5);
    int exact = 0;
    for (int round = 0; round < 3000; ++round) {
        const std::uint64_t element_bytes = std::uint64_t{1} << (random() % 4);
        Extents shape;
        Extents strides;
        std::int64_t pieces = 1;
        const auto rank = random() % 5;
        for (std::uint32_t axis = 0; axis < rank; ++axis) {
            shape.push_back(static_cast<std::int64_t>(random() % 6));
            strides.push_back(static_cast<std::int64_t>(random() % 41) - 20);
            pieces *= shape.back();
        }
        const std::uint64_t base = 100'000;
        const auto ranges = ranges_of(base, element_bytes, shape, strides);
        const auto touched = bytes_of_elements(base, element_bytes, shape, strides);
        const auto covered = bytes_of_ranges(ranges);
        CAPTURE(round);
        REQUIRE(std::includes(covered.begin(), covered.end(), touched.begin(), touched.end()));
        if (!touched.empty()) {
            CHECK(*covered.begin() == *touched.begin());
            CHECK(*covered.rbegin() == *touched.rbegin());
        }
        for (std::size_t i = 1; i < ranges.size(); ++i) {
            CHECK(ranges[i - 1].end < ranges[i].begin);
        }
        CHECK(ranges.size() <= kMaxRangesOfView);
        if (pieces <= static_cast<std::int64_t>(kMaxRangesOfView)) {
            REQUIRE(covered == touched);
            ++exact;
        }
    }
    CHECK(exact > 1000);
}
