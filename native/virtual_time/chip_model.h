// ChipModel: what a chip is taken for when only its time is computed, and how long a task takes on it.
// Guarantees: pure functions, each rounded up to whole nanoseconds in one way, so that every machine computes the same.
#pragma once

#include <cstdint>

namespace callring {

// Nanoseconds of virtual time. None is measured: no clock is read where they are computed.
using VirtualNs = std::uint64_t;

// About 146 years: what takes longer counts as this long, so that sums of a few cannot overflow.
inline constexpr VirtualNs kLongestVirtualNs = VirtualNs{1} << 62U;

// The longest latency and hand-over.
inline constexpr VirtualNs kLongestDelayNs = 1'000'000'000'000'000;

struct ChipModel {
    VirtualNs latency_ns = 0;  // from when the parent hands a task over until the chip has it
    double bandwidth = 1;      // bytes that it moves in a second, more than 0
    std::uint32_t cores = 1;   // over which the blocks of a task spread, at least 1
};

// What the tasks of one callable cost. Both are finite and at least 0.
struct TaskCost {
    double core_ns = 0;           // of one core, for all blocks of a task together
    double core_ns_per_byte = 0;  // likewise, for each byte that the task moves
};

// What one task of a callable does with a chip.
struct TaskDemand {
    std::uint64_t bytes = 0;
    std::uint32_t blocks = 0;  // of equal cost; 0: one per core
};

// How long a chip is busy with a task: it moves the bytes, then its cores work on the blocks, each on one at a time.
[[nodiscard]] VirtualNs time_on_chip(const ChipModel& chip, const TaskCost& cost, const TaskDemand& demand) noexcept;
// How long a sub-worker is: as one core that finds its bytes in place.
[[nodiscard]] VirtualNs time_on_sub_worker(const TaskCost& cost, const TaskDemand& demand) noexcept;

}  // namespace callring
