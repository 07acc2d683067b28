// callring_block_range(), which kernels use to divide their items.
#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>

#include "callring/chip.h"

namespace {

struct Range {
    std::int64_t begin;
    std::int64_t end;
};

Range range_of(std::uint32_t index, std::uint32_t count, std::int64_t total) {
    const callring_block block{index, count, 0, 0, nullptr, 0};
    Range range{-1, -1};
    callring_block_range(&block, total, &range.begin, &range.end);
    return range;
}

// Whether the blocks have every item once, in order, and none has more than one item more than another.
bool divides(std::uint32_t count, std::int64_t total) {
    std::int64_t covered = 0;
    for (std::uint32_t index = 0; index < count; ++index) {
        const Range range = range_of(index, count, total);
        const std::int64_t items = range.end - range.begin;
        const std::int64_t least = total / count;
        if (range.begin != covered || items < least || items > least + (total % count == 0 ? 0 : 1)) {
            return false;
        }
        covered = range.end;
    }
    return covered == total;
}

}  // namespace

TEST_CASE("the blocks of a launch divide its items: each item once, in order, in shares that differ by one at most") {
    for (std::uint32_t count = 1; count <= 40; ++count) {
        for (std::int64_t total = 0; total <= 130; ++total) {
            CAPTURE(count);
            CAPTURE(total);
            REQUIRE(divides(count, total));
        }
    }
}

TEST_CASE("huge numbers of items are divided without overflow") {
    for (const std::int64_t total : {INT64_MAX, INT64_MAX - 1, INT64_C(1) << 40U}) {
        CHECK(divides(7, total));
        CHECK(divides(1000, total));
        CHECK(range_of(UINT32_MAX - 1, UINT32_MAX, total).end == total);
        CHECK(range_of(0, UINT32_MAX, total).begin == 0);
    }
}

TEST_CASE("more blocks than items: the first blocks have one item, the others none") {
    for (std::uint32_t index = 0; index < 10; ++index) {
        const Range range = range_of(index, 10, 3);
        CHECK(range.end - range.begin == (index < 3 ? 1 : 0));
    }
}

TEST_CASE("a scalar carries the bits of a double") {
    CHECK(callring_scalar_f64(0x3FF8000000000000U) == 1.5);
    CHECK(callring_scalar_f64(0x8000000000000000U) == 0.0);
    CHECK(callring_scalar_f64(0xC000000000000000U) == -2.0);
}
