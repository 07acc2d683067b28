// Violation: thrown when an event differs from the expected one.
#pragma once

#include <stdexcept>
#include <string>

namespace callring::simulate {

struct Violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void require(bool holds, const char* what) {
    if (!holds) {
        throw Violation(what);
    }
}

}  // namespace callring::simulate
