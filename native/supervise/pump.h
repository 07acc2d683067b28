// Receiving from a child: answers go to who asked, payloads wait for their completion, log lines are printed.
#pragma once

#include <functional>
#include <string>

#include "common/result.h"
#include "schedule/child.h"

namespace callring {

// Receives everything that `child` has sent so far, without waiting. `on_notice` gets what is neither an answer nor a
// payload (a fork server's child_exited). Safe from any thread. Error: closed, malformed, layout_mismatch, io.
Result<void> pump(Child& child, const std::function<void(Message&)>& on_notice = {});

// The payload that the child sent ahead of the completion of frame `sequence`; empty if it never came.
[[nodiscard]] std::string take_payload(Child& child, std::uint64_t sequence);

}  // namespace callring
