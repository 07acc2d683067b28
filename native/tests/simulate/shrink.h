// Shrinks a program that goes wrong to as few steps as possible.
#pragma once

#include <functional>

#include "tests/simulate/program.h"

namespace callring::simulate {

// `fails` returns whether a program goes wrong; it is called at most `tries` times.
[[nodiscard]] Program shrink(Program program, std::size_t tries, const std::function<bool(const Program&)>& fails);

}  // namespace callring::simulate
