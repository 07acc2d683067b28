// short_slice: for threads that answer requests while other threads compute. Guarantees: has no effect, and no error,
// on kernels without slices.
#pragma once

#include <cstdint>

#include "common/system_calls.h"

namespace callring {

// Requests that the calling thread runs soon after a wake-up although the cores are busy: it gets its share of them in
// the shortest possible slices (Linux 6.12 and later; earlier kernels ignore it).
inline void ask_short_slice() noexcept {
    struct Attributes {  // struct sched_attr, version 0: defined by glibc or Linux, depending on their versions
        std::uint32_t size = sizeof(Attributes);
        std::uint32_t policy = 0;
        std::uint64_t flags = 0;
        std::int32_t nice = 0;
        std::uint32_t priority = 0;
        std::uint64_t runtime_ns = 0;
        std::uint64_t deadline_ns = 0;
        std::uint64_t period_ns = 0;
    } attributes;
    static_assert(sizeof attributes == 48);
    if (sys::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0U) == 0) {
        attributes.runtime_ns = 100'000;
        sys::syscall(SYS_sched_setattr, 0, &attributes, 0U);
    }
}

}  // namespace callring
