// Callable: one identity that is registered with a Worker. Plain data under the engine's lock; tasks and frames name it
// by its digest, and no process knows the slots of another (docs/reference/frames.md).
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

// Whether a kind of child installs callables that run on `runs_on`: a node installs all of them, for its own children.
[[nodiscard]] constexpr bool takes_callables_of(ChildKind child, ChildKind runs_on) noexcept {
    return child == runs_on || child == ChildKind::node;
}

// The argument of register(): a callable's identity, and the payload for children.
struct CallableSpec {
    // The arguments of a chip callable.
    struct Signature {
        std::size_t tensors = 0;
        std::size_t scalars = 0;
        std::string text;  // "(IN, OUT, SCALAR)"
    };

    Digest digest{};
    std::uint32_t kind = 0;
    ChildKind runs_on = ChildKind::chip;  // chip for chip callables, sub for Python callables, which nodes run, too
    std::string label;                    // for messages
    std::vector<std::byte> descriptor;    // the canonical bytes behind the digest
    std::shared_ptr<const Payload> payload;
    std::optional<Signature> signature = std::nullopt;  // of a chip callable
};

// A Callable exists from its first registration to the end of its removal. While `registrations` is zero it is being
// removed: no task and no registration is accepted, and the children remove it when the last accepted task has ended.
struct Callable : SharedOnly {
    CallableSpec spec;
    std::uint32_t registrations = 0;  // handles, and registrations that are under way
    std::uint64_t in_flight = 0;      // accepted tasks that have not ended
    bool confirmed = false;           // a child has installed it once: the callable itself is not at fault
    // By a child's index: how often the child died while it started with this callable, before the first installation.
    std::map<std::uint32_t, std::uint32_t> fatal_starts;
    bool gone = false;  // every working child has removed it

    [[nodiscard]] bool removing() const noexcept { return registrations == 0; }
    // Whether every working child must have it installed, for new or for accepted tasks.
    [[nodiscard]] bool needed() const noexcept { return registrations > 0 || in_flight > 0; }
};

using CallablePtr = std::shared_ptr<Callable>;

}  // namespace callring
