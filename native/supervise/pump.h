// Receiving from one child: payloads are kept for the completions that they belong to, everything else is handed on.
#pragma once

#include <functional>
#include <string>

#include "common/result.h"
#include "schedule/child.h"

namespace callring {

// What a message carries that may be larger than a message. Errors: as Payload::take; out_of_memory.
[[nodiscard]] Result<std::string> payload_of(Message& message);

// Takes the messages that have arrived from `child`; `hand_on` gets those that are no payloads, and says whether to
// look for more. Never waits. Under the engine's lock. Errors: as Channel::try_receive; malformed, if the child said
// what it must not; what `hand_on` returns. Then the child is not listened to any more.
Result<void> pump(Child& child, const std::function<Result<bool>(Message)>& hand_on);

// The payload of the completion `sequence`, which was sent before it. Other messages that are found on the way are left
// in `child.answers`. Errors: as payload_of; malformed if the child has not sent it, or has sent something else that it
// must not.
[[nodiscard]] Result<std::string> take_payload(Child& child, std::uint64_t sequence);

}  // namespace callring
