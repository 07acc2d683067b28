#include "lane/futex.h"

#include <linux/futex.h>

#include <cerrno>
#include <ctime>

#include "common/system_calls.h"

namespace callring {

FutexWait futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                     std::optional<std::uint64_t> deadline_ns) noexcept {
    timespec deadline{};
    if (deadline_ns) {
        deadline.tv_sec = static_cast<time_t>(*deadline_ns / 1'000'000'000U);
        deadline.tv_nsec = static_cast<long>(*deadline_ns % 1'000'000'000U);
    }
    // FUTEX_WAIT_BITSET takes an absolute time, so a repeated wait does not start its timeout anew.
    const long result = sys::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected, deadline_ns ? &deadline : nullptr,
                                     nullptr, FUTEX_BITSET_MATCH_ANY);
    if (result == 0 || errno == EAGAIN) {
        return FutexWait::woken;
    }
    return errno == EINTR ? FutexWait::interrupted : FutexWait::timed_out;
}

void futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
    sys::syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
}

}  // namespace callring
