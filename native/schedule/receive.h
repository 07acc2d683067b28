// Receives the payload of a completion, wherever it lies, and the extents of a returned value. All data of the child is
// checked before use, and the checked data is a copy. Only extents are not copied: a faulty child may change them, but
// they only hold the value of its callable.
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
    const char* wrong;  // the protocol violation; null if there is none

    // Whether the payload is a value with extents.
    [[nodiscard]] bool holds_extents() const noexcept {
        return code == Code::ok && !payload.empty() && payload.front() == returned::kApart;
    }
};

// The payload of the oldest completion of `lane`; `written` is the payload in the completion itself. If the parent
// lacks memory, the code is out_of_memory.
[[nodiscard]] Received receive(ParentLane& lane, const TaskOutcome& outcome, std::span<const std::byte> written);

// Takes the extents of a value that passed wrong_outcome(). If one cannot be taken, none is kept.
void receive_extents(ParentLane& lane, Received& received);

}  // namespace callring
