// A bounded spin: the first part of every wait. It never replaces the sleep that follows.
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace callring {

inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Calls `ready` until it returns true or about `budget_ns` have passed. Returns whether it returned true.
template <class Ready>
bool spin_until(std::uint64_t budget_ns, Ready&& ready) {
    if (ready()) {
        return true;
    }
    if (budget_ns == 0) {
        return false;
    }
    const std::uint64_t end = now_ns() + budget_ns;
    do {
        for (int i = 0; i < 16; ++i) {
            spin_pause();
            if (ready()) {
                return true;
            }
        }
    } while (now_ns() < end);
    return false;
}

}  // namespace callring
