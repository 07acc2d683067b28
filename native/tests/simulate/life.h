// Runs programs in a separate process each time, so that a crash or an endless loop is a finding like any other.
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

// Runs the programs of `seed` and of the seeds after it, until at least `events` events have happened or a program
// goes wrong. `jobs` processes do so at once: the first one takes every `jobs`-th seed from `seed` on, the next one
// from `seed` + 1 on. If programs of several of them go wrong, the first process's finding is reported.
[[nodiscard]] Lives live(std::uint64_t seed, std::uint64_t events, std::size_t most_steps, std::uint64_t jobs);
// Runs one program, which is checked after every step.
[[nodiscard]] std::optional<Finding> live(const Program& program);
// Runs one program in this process, and prints to `out` what each step does.
void tell(const Program& program, std::ostream& out);

}  // namespace callring::simulate
