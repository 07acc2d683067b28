// The normal form of strided views, against the bytes of every single element.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
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

// The same elements in another order: axes reversed, exchanged and divided in two, and axes added that add no element.
View rearranged(View view, std::mt19937& random) {
    for (std::size_t axis = view.shape.size(); axis-- > 0;) {
        if (random() % 2 == 0 && view.shape[axis] > 0) {
            const std::int64_t last = (view.shape[axis] - 1) * view.strides[axis];
            view.base += static_cast<std::uint64_t>(last) * view.element_bytes;
            view.strides[axis] = -view.strides[axis];
        }
        if (const std::int64_t part = 2 + static_cast<std::int64_t>(random() % 2);
            random() % 2 == 0 && view.shape[axis] % part == 0) {
            view.shape.push_back(part);
            view.strides.push_back(view.strides[axis] * (view.shape[axis] / part));
            view.shape[axis] /= part;
        }
    }
    if (view.shape.size() < CALLRING_MAX_RANK) {
        const bool is_broadcast = random() % 2 == 0;
        view.shape.push_back(is_broadcast ? 3 : 1);
        view.strides.push_back(is_broadcast ? 0 : 77);
    }
    std::vector<std::size_t> order(view.shape.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    View result{view.base, view.element_bytes, {}, {}};
    for (const std::size_t axis : order) {
        result.shape.push_back(view.shape[axis]);
        result.strides.push_back(view.strides[axis]);
    }
    return result;
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

TEST_CASE("however its axes are ordered, reversed or divided, a view has one region") {
    std::mt19937 random(8);
    for (int round = 0; round < 1000; ++round) {
        CAPTURE(round);
        const View view = random_view(random);
        const View other = rearranged(view, random);
        REQUIRE(callring::bytes_of(view) == callring::bytes_of(other));
        const Region made = region(view.base, view.element_bytes, view.shape, view.strides);
        const Region again = region(other.base, other.element_bytes, other.shape, other.strides);
        REQUIRE(made.empty() == again.empty());
        REQUIRE((made.empty() || made == again));
    }
}

TEST_CASE("the axes of a region rise, each stride is more than the piece, and no axis has a single step") {
    std::mt19937 random(9);
    for (int round = 0; round < 3000; ++round) {
        CAPTURE(round);
        const View view = random_view(random);
        const Region made = region(view.base, view.element_bytes, view.shape, view.strides);
        if (made.empty()) {
            continue;
        }
        for (std::uint32_t axis = 0; axis < made.axis_count; ++axis) {
            REQUIRE(made.axes[axis].count > 1);
            REQUIRE(made.axes[axis].stride > (axis == 0 ? made.piece_bytes : made.axes[axis - 1].stride));
        }
        REQUIRE(made.span(0) == made.piece_bytes);
        REQUIRE(made.span(made.axis_count) == made.end() - made.begin);
    }
}

TEST_CASE("regions differ by space, begin, piece and axes") {
    const auto original = region(64, 4, {5, 3}, {10, 1});
    CHECK(original == region_of(3, 64, 4, Extents{5, 3}, Extents{10, 1}));
    CHECK_FALSE(original == region_of(4, 64, 4, Extents{5, 3}, Extents{10, 1}));
    CHECK_FALSE(original == region(68, 4, {5, 3}, {10, 1}));
    CHECK_FALSE(original == region(64, 4, {5, 2}, {10, 1}));
    CHECK_FALSE(original == region(64, 4, {6, 3}, {10, 1}));
    CHECK_FALSE(original == region(64, 4, {5, 3}, {11, 1}));
    CHECK_FALSE(original == region(64, 4, {2, 5, 3}, {100, 10, 1}));
    CHECK(Region::bytes(3, 10, 10).empty());
    CHECK(Region::bytes(3, 11, 10).empty());
}
