// ChipModel: the model of a chip for virtual time, and the duration of a task on it.
// Guarantees: pure functions, rounded up to whole nanoseconds in one way, so that every machine computes the same.
#pragma once

#include <cstdint>

namespace callring {

// Nanoseconds of virtual time, which are computed and not measured.
using VirtualNs = std::uint64_t;

// About 146 years: longer times count as this long, so that sums of a few cannot overflow.
inline constexpr VirtualNs kLongestVirtualNs = VirtualNs{1} << 62U;

// The longest latency and hand-over.
inline constexpr VirtualNs kLongestDelayNs = 1'000'000'000'000'000;

struct ChipModel {
    VirtualNs latency_ns = 0;  // from the hand-over by the parent until the chip has the task
    double bandwidth = 1;      // bytes that it moves per second, more than 0
    std::uint32_t cores = 1;   // number of cores over which the blocks of a task spread, at least 1
};

// The cost of one callable's tasks. Both values are finite and at least 0.
struct TaskCost {
    double core_ns = 0;           // time of one core, for all blocks of a task together
    double core_ns_per_byte = 0;  // likewise, for each byte that the task moves
};

// The demand of one task on a chip.
struct TaskDemand {
    std::uint64_t bytes = 0;
    std::uint32_t blocks = 0;  // blocks of equal cost; 0: one for each core
};

// How long a chip is busy with a task: it moves the bytes, then its cores work on the blocks, each core on one at a
// time.
[[nodiscard]] VirtualNs time_on_chip(const ChipModel& chip, const TaskCost& cost, const TaskDemand& demand) noexcept;
// How long a sub-worker is busy: it is one core, for which moving bytes takes no time.
[[nodiscard]] VirtualNs time_on_sub_worker(const TaskCost& cost, const TaskDemand& demand) noexcept;

}  // namespace callring
