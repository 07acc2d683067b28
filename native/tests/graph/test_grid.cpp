// The boxes of regions, against their bytes.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "common/tuning.h"
#include "graph/grid.h"
#include "tests/graph/views.h"

using namespace callring;

namespace {

Region region_of(const View& view) {
    return callring::region_of(0, view.base, view.element_bytes, view.shape, view.strides);
}

std::vector<Region> boxes_of(const Grid& grid, const Region& region, std::size_t most = tuning::kMostBoxes) {
    std::vector<Region> boxes;
    grid.for_each_box(region, [&](const Grid::Box& box) { boxes.push_back(grid.region_of(0, box)); }, most);
    return boxes;
}

bool is_exact(const Grid& grid, const Region& region) {
    return grid.for_each_box(region, [](const Grid::Box&) {});
}

std::set<std::uint64_t> bytes_of(const std::vector<Region>& regions) {
    std::set<std::uint64_t> bytes;
    for (const Region& region : regions) {
        View view{region.begin, 1, {static_cast<std::int64_t>(region.piece_bytes)}, {1}};
        for (std::uint32_t i = 0; i < region.axis_count; ++i) {
            view.shape.push_back(static_cast<std::int64_t>(region.axes[i].count));
            view.strides.push_back(static_cast<std::int64_t>(region.axes[i].stride));
        }
        bytes.merge(callring::bytes_of(view));
    }
    return bytes;
}

Region tile(std::uint64_t base, std::int64_t rows, std::int64_t columns, std::int64_t pitch) {
    return callring::region_of(0, base, 1, std::array{rows, columns}, std::array<std::int64_t, 2>{pitch, 1});
}

}  // namespace

TEST_CASE("a tile is one box, whatever its size") {
    Grid grid;
    CHECK(grid.adopt(tile(0, 1000, 70, 4000)));
    CHECK_FALSE(grid.adopt(tile(100, 3, 70, 4000)));
    CHECK(boxes_of(grid, tile(0, 1000, 70, 4000)).size() == 1);
    CHECK(boxes_of(grid, tile(4000 * 17 + 250, 123'456, 3000, 4000)).size() == 1);
}

TEST_CASE("a contiguous piece is three boxes at most, and a tile across the edge of the grid is two") {
    Grid grid;
    grid.adopt(tile(0, 1000, 70, 4000));
    CHECK(boxes_of(grid, Region::bytes(0, 0, 40'000)).size() == 1);
    CHECK(boxes_of(grid, Region::bytes(0, 10, 40)).size() == 1);
    CHECK(boxes_of(grid, Region::bytes(0, 3990, 4010)).size() == 2);
    CHECK(boxes_of(grid, Region::bytes(0, 10, 40'010)).size() == 3);
    CHECK(boxes_of(grid, tile(3990, 1000, 70, 4000)).size() == 2);
}

TEST_CASE("steps inside the rows of a matrix and over them become pitches, too") {
    Grid grid;
    const Region steps = callring::region_of(0, 0, 4, std::array<std::int64_t, 2>{500, 300},
                                             std::array<std::int64_t, 2>{2000, 3});  // [::2, ::3] of 1000 a row
    CHECK(grid.adopt(steps));
    CHECK(boxes_of(grid, steps).size() == 1);
    CHECK(boxes_of(grid, tile(40, 50, 400, 4000)).size() > 1);
    CHECK_FALSE(grid.adopt(steps));
}

TEST_CASE("a grid of random views covers each exactly, in any order") {
    std::mt19937 random(11);
    for (int round = 0; round < 400; ++round) {
        CAPTURE(round);
        Grid grid;
        for (int i = 0; i < 12; ++i) {
            const View view = random_view(random);
            const Region region = region_of(view);
            if (region.empty()) {
                continue;
            }
            grid.adopt(region);
            REQUIRE(bytes_of(boxes_of(grid, region)) == callring::bytes_of(view));
            CHECK(is_exact(grid, region));
        }
    }
}

TEST_CASE("strides that do not fit are taken apart, and beyond a bound their gaps are covered") {
    Grid grid;
    grid.adopt(tile(0, 1000, 70, 4000));
    const Region other = tile(0, 3000, 10, 3001);
    CHECK_FALSE(grid.adopt(other));
    CHECK(boxes_of(grid, other).size() >= 3000);
    const Region many = tile(0, 9000, 10, 3001);
    const auto boxes = boxes_of(grid, many);
    CHECK(boxes.size() <= tuning::kMostBoxes + 16);
    CHECK(boxes.front().begin == 0);
    std::uint64_t last = 0;
    for (const Region& box : boxes) {
        last = std::max(last, box.end());
    }
    CHECK(last == many.end());
    CHECK(is_exact(grid, other));
    CHECK_FALSE(is_exact(grid, many));
    CHECK(boxes_of(grid, many, SIZE_MAX).size() >= 9000);
}

TEST_CASE("a step in a vector stays few boxes where the vector is used as a matrix as well") {
    Grid grid;
    const Region evens =
        callring::region_of(0, 20, 4, std::array<std::int64_t, 1>{5'000'000}, std::array<std::int64_t, 1>{2});
    grid.adopt(evens);
    CHECK(grid.adopt(tile(0, 1000, 72, 4000)));
    const auto boxes = boxes_of(grid, evens);
    CHECK(boxes.size() == 3);
    std::uint64_t bytes = 0;
    for (const Region& box : boxes) {
        bytes += box.piece_bytes * (box.axis_count > 0 ? box.axes[0].count : 1);
    }
    CHECK(bytes == 20'000'000);
    CHECK(boxes.front().begin == 20);
    CHECK(boxes.back().end() == evens.end());
}

TEST_CASE("a box is few boxes of a grid that got more pitches, whatever its size") {
    std::mt19937 random(17);
    for (int round = 0; round < 2000; ++round) {
        CAPTURE(round);
        Grid grid;
        std::vector<Region> earlier;
        for (int i = 0; i < 8; ++i) {
            View view = random_view(random);
            view.element_bytes *= 1 + (random() % 900);  // rows of up to a million bytes
            view.base *= view.element_bytes;
            const Region region = region_of(view);
            if (!region.empty() && grid.adopt(region)) {
                for (const Region& box : earlier) {
                    REQUIRE(boxes_of(grid, box, SIZE_MAX).size() <= 64);
                }
            }
            earlier.clear();
            const Grid& now = grid;
            now.for_each_box(region, [&](const Grid::Box& box) { earlier.push_back(now.region_of(0, box)); });
        }
    }
}

TEST_CASE("with few boxes, random views are covered whole, by not many more boxes and by no byte outside of them") {
    std::mt19937 random(23);
    int covered_gaps = 0;
    for (int round = 0; round < 200; ++round) {
        CAPTURE(round);
        Grid grid;
        for (int i = 0; i < 3; ++i) {
            grid.adopt(region_of(random_view(random)));
        }
        const View view = random_view(random);
        const Region region = region_of(view);
        if (region.empty()) {
            continue;
        }
        const auto touched = callring::bytes_of(view);
        for (const std::size_t most : {0U, 1U, 2U, 5U, 20U}) {
            CAPTURE(most);
            std::vector<Region> boxes;
            const bool exact =
                grid.for_each_box(region, [&](const Grid::Box& box) { boxes.push_back(grid.region_of(0, box)); }, most);
            // Each digit may add boxes before and behind the one that covers the rest.
            REQUIRE(boxes.size() <= most + 1 + (8 * grid.digits()));
            const auto covered = bytes_of(boxes);
            REQUIRE(std::includes(covered.begin(), covered.end(), touched.begin(), touched.end()));
            REQUIRE(*covered.begin() == region.begin);
            REQUIRE(*covered.rbegin() + 1 == region.end());
            REQUIRE((!exact || covered == touched));
            covered_gaps += exact ? 0 : 1;
        }
    }
    CHECK(covered_gaps > 30);
}

TEST_CASE("the boxes of a grid without pitches are the pieces of the region, and their region is in its space") {
    const Grid grid;
    CHECK(grid.digits() == 1);
    const Region region = tile(100, 3, 10, 50);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;
    CHECK(grid.for_each_box(region, [&](const Grid::Box& box) { pieces.emplace_back(box[0].begin, box[0].end); }));
    CHECK(pieces == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{100, 110}, {150, 160}, {200, 210}});
    const Region made = grid.region_of(9, {{{150, 160}}});
    CHECK(made == Region::bytes(9, 150, 160));
}

TEST_CASE("no more pitches are made than a tensor has axes") {
    Grid grid;
    std::uint64_t stride = 2;
    int made = 0;
    for (int i = 0; i < 20; ++i, stride *= 3) {
        Region region = Region::bytes(0, 0, 1);
        region.repeat({stride, 2});
        made += grid.adopt(region) ? 1 : 0;
        CHECK(grid.digits() <= Grid::kMostPitches + 1);
        CHECK(bytes_of(boxes_of(grid, region)) == std::set<std::uint64_t>{0, stride});
    }
    CHECK(made == static_cast<int>(Grid::kMostPitches));
}
