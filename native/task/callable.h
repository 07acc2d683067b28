// Callable: one identity of a Worker, and the state of its life. Plain data under the engine's lock; tasks and frames
// name it by its digest, and no process knows the slots of another (docs/reference/frames.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/shared_only.h"
#include "control/payload.h"
#include "identity/digest.h"

namespace callring {

enum class ChildKind : std::uint8_t { chip, sub, node, fork_server };

// Whether a kind of child has callables installed that run on `runs_on`: a node has all of them, for its own children.
[[nodiscard]] constexpr bool takes_callables_of(ChildKind child, ChildKind runs_on) noexcept {
    return child == runs_on || child == ChildKind::node;
}

// The argument of register(): the name of a callable, and the payload for children.
struct CallableSpec {
    // The arguments of a chip callable.
    struct Signature {
        std::size_t tensors = 0;
        std::size_t scalars = 0;
        std::string text;  // "(IN, OUT, SCALAR)"
    };

    Digest digest{};
    std::uint32_t kind = 0;
    ChildKind runs_on = ChildKind::chip;  // chip callables: chip; Python callables: sub, though nodes run them, too
    std::string label;                    // for messages
    std::vector<std::byte> descriptor;    // the canonical bytes behind the digest
    std::shared_ptr<const Payload> payload;
    std::optional<Signature> signature = std::nullopt;  // of a chip callable
};

// It lives from its first registration to the end of its final removal. The final removal is under way while
// `registrations` is zero: no new task and no new registration is accepted, and children remove it when the last
// accepted task has ended.
struct Callable : SharedOnly {
    CallableSpec spec;
    std::uint32_t registrations = 0;  // handles, and registrations that have not failed so far
    std::uint64_t in_flight = 0;      // accepted tasks that have not ended
    bool confirmed = false;           // a child has installed it once, so it can be installed
    // By a child's index: how often the child ended while it started with this callable, before the first installation.
    std::map<std::uint32_t, std::uint32_t> fatal_starts;
    bool gone = false;  // no working child has it any more

    [[nodiscard]] bool removing() const noexcept { return registrations == 0; }
    // Whether every working child must have it: for new tasks, or for accepted ones.
    [[nodiscard]] bool needed() const noexcept { return registrations > 0 || in_flight > 0; }
};

using CallablePtr = std::shared_ptr<Callable>;

}  // namespace callring
