// Replaces lane/futex.cpp: no thread sleeps in a simulation, and a wake-up only changes the sleep word.
#include "lane/futex.h"

namespace callring {

FutexWait futex_wait(const std::atomic<std::uint32_t>& /*word*/, std::uint32_t /*expected*/,
                     std::optional<std::uint64_t> /*deadline_ns*/) noexcept {
    return FutexWait::woken;
}

void futex_wake(const std::atomic<std::uint32_t>& /*word*/, int /*count*/) noexcept {}

}  // namespace callring
