// Receiving what a completion brings: its payload, wherever that lies, and the extents that a returned value names.
// Nothing that the child wrote is believed before it was checked, and what is checked is a copy, but for extents, which
// may be changed by a child that breaks its word: they hold what its callable returned, and nothing of ours.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "lane/completion.h"
#include "lane/parent_lane.h"
#include "lane/returned_value.h"

namespace callring {

inline constexpr const char* kLaneOverwritten = "it wrote over its lane";

struct Received {
    Code code;
    std::string payload;
    std::unique_ptr<Extents> extents;
    const char* wrong;  // what no child says; null if it said nothing of that kind

    // Whether it is a value of which something lies in extents.
    [[nodiscard]] bool holds_extents() const noexcept {
        return code == Code::ok && !payload.empty() && payload.front() == returned::kApart;
    }
};

// The payload of the completion in front of `lane`, where the completion itself has `written`. What the parent has no
// memory for is out_of_memory.
[[nodiscard]] Received receive(ParentLane& lane, const TaskOutcome& outcome, std::span<const std::byte> written);

// Takes the extents of a value for which wrong_outcome() said nothing. If one cannot be had, none is kept.
void receive_extents(ParentLane& lane, Received& received);

}  // namespace callring
