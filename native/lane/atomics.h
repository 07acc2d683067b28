// The atomics policy of the lane's protocols (ring, sleep word, claim). The product uses StdAtomics: plain std::atomic
// and the futex. The tests use another policy, with which a model checker explores the interleavings of the same code:
// native/tests/lane/interleavings.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "lane/futex.h"

namespace callring {

struct StdAtomics {
    template <class T>
    using Atomic = std::atomic<T>;

    // Sleeps while `word` holds `expected`; may return early. See lane/futex.h.
    static FutexWait wait(const Atomic<std::uint32_t>& word, std::uint32_t expected,
                          std::optional<std::uint64_t> deadline_ns) noexcept {
        return futex_wait(word, expected, deadline_ns);
    }
    static void wake_one(const Atomic<std::uint32_t>& word) noexcept { futex_wake(word, 1); }
};

}  // namespace callring
