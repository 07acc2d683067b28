// ForkWatch: whether a process that was forked from this one may still have what is held here. A fork inherits mappings
// of shared memory, and every object over them: memory that the parent lets go of must not be written again while a
// fork may look at it. Each fork that inherits something is given the mapping of a page of its own, which ends with it,
// or when it executes another program, whatever becomes of its descriptors; the kernel refuses to seal that page's file
// against writing as long as the mapping exists, here or in a fork of the fork.
// Guarantees: a fork that inherits nothing that is held costs nothing; thread-safe. Where no page can be had, what was
// held then counts as inherited for ever.
#pragma once

#include <cstdint>

namespace callring::fork_watch {

// Something is held from now on that a fork would inherit. Returns what may_be_inherited() is to be asked with.
[[nodiscard]] std::uint64_t hold() noexcept;
// One of those is held no more.
void let_go() noexcept;
// Whether a process that was forked since hold() returned `since` may exist.
[[nodiscard]] bool may_be_inherited(std::uint64_t since) noexcept;

// A number of this process: another one in a fork of it.
[[nodiscard]] std::uint64_t process() noexcept;

}  // namespace callring::fork_watch
