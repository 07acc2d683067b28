// Shrinks a program that goes wrong: as few steps as it takes for something to go wrong.
#pragma once

#include <functional>

#include "tests/simulate/program.h"

namespace callring::simulate {

// `fails` says whether a program goes wrong; it is asked at most `tries` times.
[[nodiscard]] Program shrink(Program program, std::size_t tries, const std::function<bool(const Program&)>& fails);

}  // namespace callring::simulate
