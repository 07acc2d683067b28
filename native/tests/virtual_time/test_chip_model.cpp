// How long one task takes on a modelled chip.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>

#include "virtual_time/chip_model.h"

using namespace callring;

namespace {

std::uint64_t quotient_rounded_up(std::uint64_t dividend, std::uint64_t divisor) {
    return (dividend / divisor) + (dividend % divisor == 0 ? 0 : 1);
}

}  // namespace

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

TEST_CASE("the time of a task with small whole numbers is that of whole-number arithmetic") {
    std::mt19937 random(1);
    const auto below = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); };
    for (int round = 0; round < 20'000; ++round) {
        const std::uint64_t bytes_per_us = 1 + below(5000);
        const std::uint32_t cores = 1 + below(40);
        const std::uint64_t core_ns = below(3000);
        const std::uint64_t per_byte = below(4);
        const TaskDemand demand{below(3000), below(70)};
        const ChipModel chip{0, static_cast<double>(bytes_per_us) * 1e6, cores};
        const TaskCost cost{static_cast<double>(core_ns), static_cast<double>(per_byte)};
        const std::uint64_t blocks = demand.blocks == 0 ? cores : demand.blocks;
        const std::uint64_t work = core_ns + (per_byte * demand.bytes);
        const std::uint64_t computing = quotient_rounded_up(work * quotient_rounded_up(blocks, cores), blocks);
        const std::uint64_t moving = quotient_rounded_up(demand.bytes * 1000, bytes_per_us);
        REQUIRE(time_on_chip(chip, cost, demand) == moving + computing);
        REQUIRE(time_on_sub_worker(cost, demand) == work);
    }
}

TEST_CASE("no task is slower on a chip with more cores or more bandwidth, or faster with more bytes or work") {
    std::mt19937 random(2);
    std::uniform_real_distribution<double> exponent(-3, 18);
    const auto any = [&] { return std::pow(10.0, exponent(random)); };
    for (int round = 0; round < 20'000; ++round) {
        const ChipModel chip{0, any(), 1 + static_cast<std::uint32_t>(random() % 64)};
        const TaskCost cost{any(), any() / 1e6};
        const TaskDemand demand{random() % 1'000'000, static_cast<std::uint32_t>(random() % 100)};
        const VirtualNs time = time_on_chip(chip, cost, demand);
        ChipModel better = chip;
        better.bandwidth *= 3;
        REQUIRE(time_on_chip(better, cost, demand) <= time);
        better.cores += 1 + static_cast<std::uint32_t>(random() % 9);
        REQUIRE(time_on_chip(better, cost, demand) <= time);
        REQUIRE(time_on_chip(chip, {cost.core_ns * 2, cost.core_ns_per_byte}, demand) >= time);
        REQUIRE(time_on_chip(chip, cost, {demand.bytes + 1000, demand.blocks}) >= time);
        REQUIRE(time <= kLongestVirtualNs);
        REQUIRE(time_on_sub_worker(cost, demand) <= kLongestVirtualNs);
    }
}

TEST_CASE("any begun nanosecond of work counts, moving and computing are rounded up apart") {
    const ChipModel chip{.bandwidth = 2e9, .cores = 3};
    CHECK(time_on_chip(chip, {.core_ns = 0.001}, {.bytes = 1, .blocks = 1}) == 2);
    CHECK(time_on_chip(chip, {.core_ns = 3}, {.bytes = 2}) == 1 + 1);
    CHECK(time_on_chip(chip, {.core_ns = 4}, {.bytes = 3}) == 2 + 2);
    CHECK(time_on_sub_worker({.core_ns = 0.25}, {}) == 1);
    CHECK(time_on_sub_worker({}, {.bytes = UINT64_MAX}) == 0);
}

TEST_CASE("the longest time is reached exactly, and never passed") {
    constexpr double kLongest = 4611686018427387904.0;  // 2 to the 62nd
    CHECK(time_on_sub_worker({.core_ns = kLongest}, {}) == kLongestVirtualNs);
    CHECK(time_on_sub_worker({.core_ns = kLongest - 512}, {}) == kLongestVirtualNs - 512);
    CHECK(time_on_chip({}, {.core_ns = kLongest - 512}, {.blocks = 1}) == kLongestVirtualNs - 512);
    const ChipModel chip{.bandwidth = 1e9};
    CHECK(time_on_chip(chip, {.core_ns = kLongest - 512}, {.bytes = 511, .blocks = 1}) == kLongestVirtualNs - 1);
    CHECK(time_on_chip(chip, {.core_ns = kLongest - 512}, {.bytes = 512, .blocks = 1}) == kLongestVirtualNs);
    CHECK(time_on_chip(chip, {.core_ns = kLongest - 512}, {.bytes = 600, .blocks = 1}) == kLongestVirtualNs);
}
