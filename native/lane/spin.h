// A bounded spin: the first part of every wait. It never replaces the sleep that follows. A spin offers its core every
// microsecond or so to a thread that waits for it: taking turns like that costs less than a wake-up
// for every task. Where each thread has a core it does so only after a moment, in which an answer mostly comes: after
// that the other end may have been woken on this very core (a halted core of a virtual machine is not thought idle).
#pragma once

#include <sched.h>

#include <algorithm>
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

enum class Core { held, offered };  // at the beginning of a spin

// How long a core is held.
constexpr std::uint64_t kHoldNs = 2'000;

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
        if (core == Core::offered || now - begin > kHoldNs) {
            ::sched_yield();
        }
    } while (now - begin < budget_ns);
    return false;
}

// AdaptiveSpin: how long one waiter spins, learnt from whether its spins were worth it. Where they are not, because the
// other end shares its core or takes long, it all but stops spinning, and looks every now and then whether that
// changed. Used by one thread at a time.
class AdaptiveSpin {
public:
    // About what a sleep and a wake across cores cost: a spin of that length at most doubles what would have been best.
    static constexpr std::uint64_t kMostNs = 50'000;

    // No spin is longer than `most_ns`; 0: it never spins.
    explicit AdaptiveSpin(Core core = Core::held, std::uint64_t most_ns = kMostNs) noexcept
        : core_(core), most_ns_(most_ns), budget_ns_(most_ns) {}

    // Spins until `ready` returns true or it is not worth it any longer. Returns whether it returned true.
    template <class Ready>
    bool operator()(Ready&& ready) {
        if (ready()) {
            return true;
        }
        const bool probe = ++waits_ % kProbeEvery == 0;
        const bool found = spin_until(probe ? most_ns_ : budget_ns_, core_, ready);
        budget_ns_ = std::min(found ? 2 * budget_ns_ : std::max(budget_ns_ / 2, kLeastNs), most_ns_);
        if (probe && found) {
            budget_ns_ = most_ns_;
        }
        return found;
    }

    // How long the next spin is, unless it is one of the long ones.
    [[nodiscard]] std::uint64_t budget_ns() const noexcept { return budget_ns_; }

    static constexpr std::uint64_t kLeastNs = 5'000;

private:
    static constexpr std::uint32_t kProbeEvery = 32;

    Core core_;
    std::uint64_t most_ns_;
    std::uint64_t budget_ns_;
    std::uint32_t waits_ = 0;
};

}  // namespace callring
