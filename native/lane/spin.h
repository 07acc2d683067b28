// A bounded spin: the first part of every wait, before the sleep. A spin yields its core about every microsecond to a
// thread that waits for it: alternating like this costs less than a wake-up for every task. If each thread has a core,
// the spin first holds its core for a moment, in which most answers come; after that it also yields, because the other
// end may have been woken on the same core (the kernel does not treat a halted core of a virtual machine as idle).
#pragma once

#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "common/clock.h"
#include "common/tuning.h"

namespace callring {

inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

enum class Core { held, offered };  // at the beginning of a spin

// Calls `ready` until it returns true or about `budget_ns` have passed. Returns whether it returned true.
template <class Ready>
bool spin_until(std::uint64_t budget_ns, Core core, Ready&& ready) {
    if (ready()) {
        return true;
    }
    if (budget_ns == 0) {
        return false;
    }
    const std::uint64_t begin = now_ns();
    std::uint64_t now = begin;
    do {
        for (int i = 0; i < 16; ++i) {
            spin_pause();
            if (ready()) {
                return true;
            }
        }
        now = now_ns();
        if (core == Core::offered || now - begin > tuning::kKeepCoreNs) {
            ::sched_yield();
        }
    } while (now - begin < budget_ns);
    return false;
}

// AdaptiveSpin: learns how long one waiter should spin from the success of its spins. If they fail, because the other
// end shares the core or takes long, it almost stops spinning, and tries a long spin from time to time. Used by one
// thread at a time.
class AdaptiveSpin {
public:
    // No spin is longer than `most_ns`; 0: it never spins.
    explicit AdaptiveSpin(Core core = Core::held, std::uint64_t most_ns = tuning::kLongestSpinNs) noexcept
        : core_(core), most_ns_(most_ns), budget_ns_(most_ns) {}

    // Spins until `ready` returns true or the budget is used up. Returns whether `ready` returned true.
    template <class Ready>
    bool operator()(Ready&& ready) {
        if (ready()) {
            return true;
        }
        const bool probe = ++waits_ % tuning::kSpinsPerProbe == 0;
        const bool found = spin_until(probe ? most_ns_ : budget_ns_, core_, ready);
        budget_ns_ = std::min(found ? 2 * budget_ns_ : std::max(budget_ns_ / 2, tuning::kShortestSpinNs), most_ns_);
        if (probe && found) {
            budget_ns_ = most_ns_;
        }
        return found;
    }

    // The length of the next spin, unless it is a long one.
    [[nodiscard]] std::uint64_t budget_ns() const noexcept { return budget_ns_; }

private:
    Core core_;
    std::uint64_t most_ns_;
    std::uint64_t budget_ns_;
    std::uint32_t waits_ = 0;
};

}  // namespace callring
