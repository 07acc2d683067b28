// Both ends of one lane in one process, on one mapping each way, as two threads would use them.
#pragma once

#include <doctest/doctest.h>

#include <memory>

#include "common/tuning.h"
#include "lane/bell.h"
#include "lane/child_lane.h"
#include "lane/parent_lane.h"

namespace callring::test {

struct LanePair {
    explicit LanePair(std::uint32_t capacity = 8, std::uint32_t spans = 16,
                      std::uint64_t most_spin_ns = tuning::kLongestSpinNs) {
        bytes = lane_bytes(capacity, spans);
        bell = std::move(ParentBell::create()).value();
        parent = std::move(ParentLane::create(capacity, spans)).value();
        attach_child(most_spin_ns);
    }

    // Gives the lane another child's end; a forked process has none until it does so.
    void attach_child(std::uint64_t most_spin_ns = tuning::kLongestSpinNs) {
        auto attached = ChildLane::attach(UniqueFd::copy_of(parent->fd()), UniqueFd::copy_of(bell->fd()),
                                          UniqueFd::copy_of(bell->event_fd()), most_spin_ns);
        REQUIRE(attached.ok());
        child = std::move(attached).value();
    }

    // The lane once more, as its child maps it: without its store, which not every address space has room for twice.
    [[nodiscard]] SharedMap map_again() const {
        auto mapped = SharedMap::attach(UniqueFd::copy_of(parent->fd()), bytes);
        REQUIRE(mapped.ok());
        return std::move(mapped).value();
    }

    // Pushes one frame whose run is `run` and whose predecessors lie `distances` back.
    std::uint64_t push(std::uint64_t run = 0, std::array<std::uint32_t, kMaxDistances> distances = {},
                       std::uint32_t flags = 0) const {
        REQUIRE_FALSE(parent->full());
        Frame& frame = parent->reserve();
        frame.run = run;
        frame.config = FrameConfig{0, flags, distances};
        const std::uint64_t sequence = frame.sequence;
        parent->publish();
        parent->wake();
        return sequence;
    }

    std::size_t bytes = 0;  // of the lane, without its store
    std::unique_ptr<ParentBell> bell;
    std::unique_ptr<ParentLane> parent;
    std::unique_ptr<ChildLane> child;
};

}  // namespace callring::test
