// How the tests of the engine wait: for what comes as soon as it can.
#pragma once

#include <cstdint>

#include "engine/shared.h"

namespace callring::test {

// Far longer than anything here takes: what waits longer never ends.
inline constexpr std::uint64_t kLongNs = UINT64_C(120'000'000'000);

// Waits again after each interruption, which only asks a caller of the engine to look for signals.
template <class Wait>
Waited patiently(const Wait& wait) {
    Waited outcome = wait();
    while (outcome == Waited::interrupted) {
        outcome = wait();
    }
    return outcome;
}

}  // namespace callring::test
