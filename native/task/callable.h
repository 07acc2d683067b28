// Callable: one identity that a Worker knows, and where its life stands. Plain data under the engine's lock; tasks and
// frames name it by its digest, and no process knows a slot of another (docs/reference/frames.md).
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

// Whether a child has callables installed that run on `runs_on`: a node child has all of them, for what lies below it.
[[nodiscard]] constexpr bool takes_callables_of(ChildKind child, ChildKind runs_on) noexcept {
    return child == runs_on || child == ChildKind::node;
}

// What register() is given: everything that names a callable and what a child receives of it.
struct CallableSpec {
    // What a chip callable takes.
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

// From its first registration to the end of its final removal. Its removal is final, and under way, while
// `registrations` is zero: then no new task and no new registration is accepted, and children let go of it when the
// last accepted task has ended.
struct Callable : SharedOnly {
    CallableSpec spec;
    std::uint32_t registrations = 0;  // handles, and registrations that have not failed so far
    std::uint64_t in_flight = 0;      // accepted tasks that have not ended
    bool confirmed = false;           // a child has installed it once: it can be installed
    // By a child's index: how often it ended while it started and installed it, before that.
    std::map<std::uint32_t, std::uint32_t> fatal_starts;
    bool gone = false;  // no child that takes work has it any more

    [[nodiscard]] bool removing() const noexcept { return registrations == 0; }
    // Whether every child that takes work has to have it: for new tasks, or for accepted ones that may come to it.
    [[nodiscard]] bool needed() const noexcept { return registrations > 0 || in_flight > 0; }
};

using CallablePtr = std::shared_ptr<Callable>;

}  // namespace callring
