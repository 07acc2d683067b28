// ForkWatch: whether a forked process may still use memory that this process holds. A forked process inherits mappings
// of shared memory, and all objects in them: memory that the parent drops must not be written again while a forked
// process may read it. Each forked process that inherits such memory gets the mapping of a separate guard page. The
// mapping ends with the process, or when it executes another program, independent of its descriptors; the kernel
// refuses to seal the page's file against writing as long as the mapping exists, also in processes that the forked
// process forks. Guarantees: a fork that inherits no held memory costs nothing; thread-safe. If there is no memory for
// a page, the memory that is held at that time counts as inherited for ever.
#pragma once

#include <cstdint>

namespace callring::fork_watch {

// Counts memory as held: a process that is forked from now on inherits it. Returns the argument for may_be_inherited().
[[nodiscard]] std::uint64_t hold() noexcept;
// Ends one hold().
void let_go() noexcept;
// Whether a process may exist that was forked after hold() returned `since`.
[[nodiscard]] bool may_be_inherited(std::uint64_t since) noexcept;

// A number that differs between this process and its forked processes.
[[nodiscard]] std::uint64_t process() noexcept;

}  // namespace callring::fork_watch
