#include "virtual_time/chip_model.h"

#include <cmath>

namespace callring {

namespace {

// The largest double that is at most kLongestVirtualNs; exact, as it is a power of two.
constexpr auto kLongest = static_cast<double>(kLongestVirtualNs);

VirtualNs whole_ns(double ns) {
    return ns < kLongest ? static_cast<VirtualNs>(std::ceil(ns)) : kLongestVirtualNs;
}

double core_time(const TaskCost& cost, const TaskDemand& demand) {
    return cost.core_ns + (cost.core_ns_per_byte * static_cast<double>(demand.bytes));
}

}  // namespace

VirtualNs time_on_chip(const ChipModel& chip, const TaskCost& cost, const TaskDemand& demand) noexcept {
    constexpr double kNsPerSecond = 1e9;
    const std::uint64_t blocks = demand.blocks ? demand.blocks : chip.cores;
    const std::uint64_t rounds = (blocks + chip.cores - 1) / chip.cores;
    const double moving = static_cast<double>(demand.bytes) * kNsPerSecond / chip.bandwidth;
    const double computing = core_time(cost, demand) * static_cast<double>(rounds) / static_cast<double>(blocks);
    const VirtualNs moved = whole_ns(moving);
    const VirtualNs computed = whole_ns(computing);
    return moved < kLongestVirtualNs - computed ? moved + computed : kLongestVirtualNs;
}

VirtualNs time_on_sub_worker(const TaskCost& cost, const TaskDemand& demand) noexcept {
    return whole_ns(core_time(cost, demand));
}

}  // namespace callring
