// The atomics policy of lane/atomics.h over Relacy, which executes threads as fibers, chooses at every operation which
// thread goes on and which of the values allowed by the memory model a load sees, and finds data races, deadlocks and
// use after free.
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>

// Relacy's macros hide names of the language and its library; they are removed right after its headers.
#include <relacy/relacy.hpp>
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef futex
#undef $

#include <atomic>

#include "lane/futex.h"

namespace callring::test {

// The safeguard that a test removes from the code under test, to see that its exploration finds the error.
enum class Weakness : std::uint8_t {
    none,
    acquire_release,  // seq_cst is only acquire and release
    relaxed,          // acquire and release are only relaxed
};

template <Weakness kWeakness>
struct RelacyAtomics {
    using Where = std::source_location;

    static rl::memory_order order(std::memory_order wanted, rl::memory_order weaker) {
        switch (wanted) {
            case std::memory_order_seq_cst:
                return kWeakness == Weakness::none ? rl::mo_seq_cst : weaker;
            case std::memory_order_relaxed:
                return rl::mo_relaxed;
            default:
                return kWeakness == Weakness::relaxed ? rl::mo_relaxed : weaker;
        }
    }
    static rl::debug_info info(const Where& where) {
        return {where.function_name(), where.file_name(), static_cast<unsigned>(where.line())};
    }

    template <class T>
    class Atomic {
    public:
        T load(std::memory_order wanted, Where where = Where::current()) const {
            return static_cast<T>(value_.load(order(wanted, rl::mo_acquire), info(where)));
        }
        void store(T value, std::memory_order wanted, Where where = Where::current()) {
            value_.store(static_cast<Kept>(value), order(wanted, rl::mo_release), info(where));
        }
        T exchange(T value, std::memory_order wanted, Where where = Where::current()) {
            return static_cast<T>(
                value_.exchange(static_cast<Kept>(value), order(wanted, rl::mo_acq_rel), info(where)));
        }
        bool compare_exchange_strong(T& expected, T value, std::memory_order wanted, Where where = Where::current()) {
            auto seen = static_cast<Kept>(expected);
            const bool exchanged = value_.compare_exchange_strong(seen, static_cast<Kept>(value),
                                                                  order(wanted, rl::mo_acq_rel), info(where));
            expected = static_cast<T>(seen);
            return exchanged;
        }

    private:
        friend RelacyAtomics;
        // Relacy's futex takes a word of ints.
        using Kept = std::conditional_t<sizeof(T) == sizeof(int), int, T>;
        rl::atomic<Kept> value_{Kept{0}};
    };

    static FutexWait wait(Atomic<std::uint32_t>& word, std::uint32_t expected, std::optional<std::uint64_t>,
                          Where where = Where::current()) {
        rl::rl_futex(&word.value_, rl::RL_FUTEX_WAIT, static_cast<int>(expected), nullptr, nullptr, 0, info(where));
        return FutexWait::woken;
    }
    static void wake_one(Atomic<std::uint32_t>& word, Where where = Where::current()) {
        rl::rl_futex(&word.value_, rl::RL_FUTEX_WAKE, 1, nullptr, nullptr, 0, info(where));
    }
};

}  // namespace callring::test
