// One clock for every process of a Worker: CLOCK_MONOTONIC in nanoseconds, comparable across processes.
#pragma once

#include <cstdint>
#include <ctime>

namespace callring {

#ifdef CALLRING_SIMULATED  // only in the build of native/tests/simulate, which sets the time
inline std::uint64_t& simulated_now_ns() noexcept {
    static std::uint64_t now = 0;
    return now;
}
[[nodiscard]] inline std::uint64_t now_ns() noexcept {
    return simulated_now_ns();
}
#else
[[nodiscard]] inline std::uint64_t now_ns() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return (static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U) + static_cast<std::uint64_t>(time.tv_nsec);
}
#endif

}  // namespace callring
