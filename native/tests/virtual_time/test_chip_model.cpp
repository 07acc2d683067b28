// How long one task takes on a modelled chip.
#include <doctest/doctest.h>

#include "virtual_time/chip_model.h"

using namespace callring;

TEST_CASE("a task moves its bytes at the chip's bandwidth, and every begun nanosecond counts") {
    const ChipModel chip{.bandwidth = 4e9};
    CHECK(time_on_chip(chip, {}, {.bytes = 4096}) == 1024);
    CHECK(time_on_chip(chip, {}, {.bytes = 1}) == 1);
    CHECK(time_on_chip(chip, {}, {}) == 0);
}

TEST_CASE("cores work on one block each, and left-over blocks take another round") {
    const ChipModel chip{.bandwidth = 1e9, .cores = 4};
    const TaskCost cost{.core_ns = 1200};
    CHECK(time_on_chip(chip, cost, {.blocks = 1}) == 1200);
    CHECK(time_on_chip(chip, cost, {.blocks = 4}) == 300);
    CHECK(time_on_chip(chip, cost, {.blocks = 6}) == 400);
    CHECK(time_on_chip(chip, cost, {.blocks = 0}) == 300);
}

TEST_CASE("a cost per byte is time of the cores, beside the time to move the byte") {
    const ChipModel chip{.bandwidth = 1e9, .cores = 2};
    CHECK(time_on_chip(chip, {.core_ns = 10, .core_ns_per_byte = 0.5}, {.bytes = 100}) == 100 + 30);
}

TEST_CASE("a sub-worker is one core, to which no bytes are moved") {
    CHECK(time_on_sub_worker({.core_ns = 10, .core_ns_per_byte = 2}, {.bytes = 100, .blocks = 8}) == 210);
}

TEST_CASE("a task that takes longer than the clock can count takes the longest that it can") {
    const ChipModel chip{.bandwidth = 1e-300};
    CHECK(time_on_chip(chip, {}, {.bytes = UINT64_MAX}) == kLongestVirtualNs);
    CHECK(time_on_chip(chip, {.core_ns = 1e300}, {.bytes = UINT64_MAX}) == kLongestVirtualNs);
}
