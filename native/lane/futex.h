// Futex words in shared memory, usable across processes.
// Never FUTEX_PRIVATE_FLAG: the two ends map the word at different addresses of different processes. (The standard
// library's atomic wait uses private futexes and therefore hangs across processes.)
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace callring {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "futex words are lock-free 32-bit atomics");

enum class FutexWait : std::uint8_t { woken, timed_out, interrupted };

// Sleeps while `word` holds `expected`, at most until the absolute CLOCK_MONOTONIC time `deadline_ns`.
// Also returns `woken` if the value differed at the start; callers always check their condition again.
FutexWait futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                     std::optional<std::uint64_t> deadline_ns) noexcept;

// Wakes at most `count` sleepers of `word`.
void futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept;

}  // namespace callring
