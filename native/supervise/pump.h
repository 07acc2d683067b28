// Receiving from one child: payloads are kept for the completions that they belong to, everything else is handed on.
#pragma once

#include <functional>
#include <string>

#include "common/result.h"
#include "schedule/child.h"

namespace callring {

// What a message carries that may be larger than a message. Errors: as Payload::take.
[[nodiscard]] Result<std::string> payload_of(Message& message);

// Takes the messages that have arrived from `child`; `hand_on` gets those that are no payloads, and says whether to
// look for more. Never waits. Under the engine's lock. Errors: as Channel::try_receive; then nothing more will come.
Result<void> pump(Child& child, const std::function<bool(Message)>& hand_on);

// The payload of the completion `sequence`, which was sent before it; empty if the child never sent it. Other messages
// that are found on the way are left in `child.answers`.
[[nodiscard]] std::string take_payload(Child& child, std::uint64_t sequence);

}  // namespace callring
