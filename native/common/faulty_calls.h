// sys:: as functions that fail when faults::next() returns an error. Included only by common/system_calls.h.
#pragma once

#include <linux/futex.h>

#include <system_error>
#include <type_traits>

#include "common/faults.h"

namespace callring::sys {

// The first argument of a call, and the place of the call.
template <class T>
struct At {
    T value;
    std::source_location where;
    // NOLINTNEXTLINE(google-explicit-constructor)
    At(T given, std::source_location here = std::source_location::current()) noexcept : value(given), where(here) {}
};

enum class Tells { minus_one, zero, null, number, after };

// Makes the call, or reports a failure instead; `after` makes the call and then reports a failure.
template <Tells tells, class Make>
auto attempt(faults::Call call, const std::source_location& where, Make make) noexcept {
    using Returned = decltype(make());
    const int error = faults::next(call, where);
    if (error == 0) {
        return make();
    }
    if constexpr (tells == Tells::number) {
        return static_cast<Returned>(error);
    } else {
        if constexpr (tells == Tells::after) {
            make();
        }
        errno = error;
        if constexpr (tells == Tells::null) {
            return static_cast<Returned>(nullptr);
        } else if constexpr (tells == Tells::zero) {
            return static_cast<Returned>(0);
        } else {
            return (Returned)-1;  // NOLINT(*-cstyle-cast,*-no-int-to-ptr): an int, or MAP_FAILED
        }
    }
}

// Whether a call can fail: changing or removing an existing epoll entry or flag cannot.
template <class Second, class... Rest>
bool can_fail(faults::Call call, Second second, Rest... /*rest*/) noexcept {
    if constexpr (std::is_integral_v<Second>) {
        return (call != faults::Call::epoll_ctl || second == EPOLL_CTL_ADD) &&
               (call != faults::Call::fcntl || second != F_SETFD);
    }
    return true;
}
inline bool can_fail(faults::Call /*call*/) noexcept {
    return true;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // an argument that is passed on is no longer a constant
#define CALLRING_FAULTY(name, First, tells, ...)                                                                    \
    template <class... Rest>                                                                                        \
    auto name(At<First> first, Rest... rest) noexcept {                                                             \
        const auto make = [&] { return ::name(first.value, rest...); };                                             \
        return can_fail(faults::Call::name, rest...) ? attempt<Tells::tells>(faults::Call::name, first.where, make) \
                                                     : make();                                                      \
    }
CALLRING_SYSTEM_CALLS(CALLRING_FAULTY)
#undef CALLRING_FAULTY
#pragma GCC diagnostic pop

// Waking other threads cannot fail.
template <class Word, class... Rest>
bool is_wake(long number, Word /*word*/, int operation, Rest... /*rest*/) noexcept {
    return number == SYS_futex && operation == FUTEX_WAKE;
}
template <class... Rest>
bool is_wake(long /*number*/, Rest... /*rest*/) noexcept {
    return false;
}

template <class... Rest>
long syscall(At<long> number, Rest... rest) noexcept {
    const auto make = [&] { return ::syscall(number.value, rest...); };
    if (is_wake(number.value, rest...)) {
        return make();
    }
    switch (number.value) {
#define CALLRING_FAULTY(name, tells, ...) \
    case SYS_##name:                      \
        return attempt<Tells::tells>(faults::Call::name, number.where, make);
        CALLRING_NUMBERED_CALLS(CALLRING_FAULTY)
#undef CALLRING_FAULTY
        default:
            return make();
    }
}

template <class Work>
[[nodiscard]] std::thread start_thread(Work&& work, std::source_location here = std::source_location::current()) {
    if (const int error = faults::next(faults::Call::start_thread, here); error != 0) {
        throw std::system_error(error, std::generic_category());
    }
    return std::thread(std::forward<Work>(work));
}

}  // namespace callring::sys
