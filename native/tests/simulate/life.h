// Lives programs in a process of their own each time, so that a crash or an endless loop is a finding like any other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/simulate/program.h"
#include "tests/simulate/world.h"

namespace callring::simulate {

struct Finding {
    std::uint64_t seed = 0;
    std::uint64_t step = 0;  // after so many steps of its program
    std::string what;
};

struct Lives {
    Figures figures;
    std::uint64_t programs = 0;
    std::optional<Finding> finding;
};

// Lives the programs of `seed` and those that follow it, until at least `events` have happened or something is wrong.
[[nodiscard]] Lives live(std::uint64_t seed, std::uint64_t events, std::size_t most_steps);
// Lives one program, which is checked after every step.
[[nodiscard]] std::optional<Finding> live(const Program& program);
// The same in this process, telling on `out` what each step does.
void tell(const Program& program, std::ostream& out);

}  // namespace callring::simulate
