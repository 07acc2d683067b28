// Waiting for what other threads and the kernel do a moment later.
#pragma once

#include <chrono>
#include <thread>

namespace callring::test {

// Whether a condition becomes true. Threads that nothing waits for end, with what they hold, a moment after their work,
// and on a busy machine this moment is long.
template <typename Condition>
bool soon(const Condition& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    bool fulfilled = condition();
    while (!fulfilled && std::chrono::steady_clock::now() < limit) {
        std::this_thread::yield();
        fulfilled = condition();
    }
    return fulfilled;
}

}  // namespace callring::test
