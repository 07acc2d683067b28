// The normal form of strided views, against the bytes of every single element.
#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "graph/region.h"
#include "tests/graph/views.h"

using namespace callring;

namespace {

using Extents = std::vector<std::int64_t>;

Region region(std::uint64_t base, std::uint64_t element_bytes, const Extents& shape, const Extents& strides) {
    return region_of(3, base, element_bytes, shape, strides);
}

std::set<std::uint64_t> bytes_of(const Region& region) {
    View view{region.begin, 1, {static_cast<std::int64_t>(region.piece_bytes)}, {1}};
    for (std::uint32_t i = 0; i < region.axis_count; ++i) {
        view.shape.push_back(static_cast<std::int64_t>(region.axes[i].count));
        view.strides.push_back(static_cast<std::int64_t>(region.axes[i].stride));
    }
    return callring::bytes_of(view);
}

}  // namespace

TEST_CASE("a contiguous view is one piece whatever its rank") {
    CHECK(region(128, 4, {}, {}) == Region::bytes(3, 128, 132));
    CHECK(region(128, 4, {5}, {1}) == Region::bytes(3, 128, 148));
    CHECK(region(128, 4, {100, 100, 100}, {10000, 100, 1}) == Region::bytes(3, 128, 4'000'128));
    CHECK(region(128, 4, {3, 1, 5}, {5, 99, 1}) == Region::bytes(3, 128, 188));
}

TEST_CASE("a transposed or reversed view has the region of the original") {
    const auto original = region(0, 8, {4, 6}, {6, 1});
    CHECK(region(0, 8, {6, 4}, {1, 6}) == original);
    CHECK(region(std::uint64_t{23} * 8, 8, {4, 6}, {-6, -1}) == original);
    CHECK(region(8, 8, {6, 4}, {1, 9}) == region(8, 8, {4, 6}, {9, 1}));
}

TEST_CASE("a view without elements touches nothing") {
    CHECK(region(128, 4, {5, 0, 2}, {2, 2, 1}).empty());
}

TEST_CASE("a broadcast axis adds no bytes") {
    CHECK(region(128, 4, {1'000'000, 2}, {0, 1}) == Region::bytes(3, 128, 136));
}

TEST_CASE("an axis that continues another is the same axis") {
    const auto rows = region(0, 4, {5, 10, 3}, {100, 10, 1});
    CHECK(rows.axis_count == 1);
    CHECK(rows.axes[0] == Axis{40, 50});
    CHECK(rows.end() == (49 * 40) + 12);
}

TEST_CASE("random views, even with overlapping elements, have the bytes of their elements") {
    std::mt19937 random(5);
    for (int round = 0; round < 3000; ++round) {
        View view;
        view.element_bytes = std::uint64_t{1} << (random() % 4);
        view.base = 100'000;
        const auto rank = random() % 5;
        for (std::uint32_t axis = 0; axis < rank; ++axis) {
            view.shape.push_back(static_cast<std::int64_t>(random() % 6));
            view.strides.push_back(static_cast<std::int64_t>(random() % 41) - 20);
        }
        const Region made = region(view.base, view.element_bytes, view.shape, view.strides);
        CAPTURE(round);
        const auto touched = callring::bytes_of(view);
        REQUIRE(made.empty() == touched.empty());
        if (!touched.empty()) {
            REQUIRE(bytes_of(made) == touched);
            CHECK(made.begin == *touched.begin());
            CHECK(made.end() == *touched.rbegin() + 1);
        }
    }
}
