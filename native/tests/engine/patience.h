// Waits of the engine's tests, for events that come as soon as possible.
#pragma once

#include <cstdint>

#include "engine/shared.h"

namespace callring::test {

// Far longer than anything here takes: a longer wait would never end.
inline constexpr std::uint64_t kLongNs = UINT64_C(120'000'000'000);

// Waits again after each interruption, which only asks a caller of the engine to check for signals.
template <class Wait>
Waited patiently(const Wait& wait) {
    Waited outcome = wait();
    while (outcome == Waited::interrupted) {
        outcome = wait();
    }
    return outcome;
}

}  // namespace callring::test
