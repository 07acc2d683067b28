#include <doctest/doctest.h>

#include <array>
#include <random>
#include <set>
#include <vector>

#include "graph/tensor_ranges.h"

using namespace callring;

namespace {
std::vector<ByteRange> ranges_of(std::uint64_t base, std::vector<std::int64_t> shape,
                                 std::vector<std::int64_t> strides) {
    std::vector<ByteRange> ranges;
    append_ranges(9, base, 4, shape, strides, ranges);
    return ranges;
}

std::set<std::uint64_t> bytes_of(const std::vector<ByteRange>& ranges) {
    std::set<std::uint64_t> bytes;
    for (const ByteRange& range : ranges) {
        for (std::uint64_t i = range.begin; i < range.end; ++i) {
            bytes.insert(i);
        }
    }
    return bytes;
}
}  // namespace

TEST_CASE("a contiguous tensor is one range") {
    CHECK(ranges_of(100, {3, 5}, {5, 1}) == std::vector<ByteRange>{{9, 100, 160}});
}

TEST_CASE("columns of a matrix are one range a row") {
    CHECK(ranges_of(0, {2, 3}, {10, 1}) == std::vector<ByteRange>{{9, 0, 12}, {9, 40, 52}});
}

TEST_CASE("a scalar is one element and an empty tensor none") {
    CHECK(ranges_of(8, {}, {}) == std::vector<ByteRange>{{9, 8, 12}});
    CHECK(ranges_of(8, {3, 0}, {1, 1}).empty());
}

TEST_CASE("negative strides reach below the base") {
    CHECK(ranges_of(16, {3}, {-2}) == std::vector<ByteRange>{{9, 0, 4}, {9, 8, 12}, {9, 16, 20}});
}

TEST_CASE("random views cover exactly the bytes that they touch while few pieces are enough") {
    std::mt19937 random(3);
    for (int i = 0; i < 2000; ++i) {
        std::vector<std::int64_t> shape;
        std::vector<std::int64_t> strides;
        for (std::uint32_t axis = 0; axis < random() % 4; ++axis) {
            shape.push_back(1 + static_cast<std::int64_t>(random() % 3));
            strides.push_back(static_cast<std::int64_t>(random() % 9) - 4);
        }
        std::set<std::uint64_t> expected;
        std::vector<std::int64_t> offsets{0};
        for (std::size_t axis = 0; axis < shape.size(); ++axis) {
            std::vector<std::int64_t> next;
            for (const std::int64_t offset : offsets) {
                for (std::int64_t k = 0; k < shape[axis]; ++k) {
                    next.push_back(offset + (k * strides[axis]));
                }
            }
            offsets = next;
        }
        for (const std::int64_t offset : offsets) {
            for (std::uint64_t byte = 0; byte < 4; ++byte) {
                expected.insert(static_cast<std::uint64_t>(1000 + (4 * offset)) + byte);
            }
        }
        REQUIRE(bytes_of(ranges_of(1000, shape, strides)) == expected);
    }
}
