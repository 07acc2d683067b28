// Faults: makes the k-th use of a system call, of a thread or of `new` fail, in builds with CALLRING_FAULTS alone. What
// is to fail stands in a file that all processes of a Worker map (CALLRING_FAULTS_FILE in their environment), and so
// does what was used: tests/faults writes and reads it. Without such a file everything succeeds that can.
// Included by common/system_calls.h alone, which lists the calls.
#pragma once

#include <cerrno>
#include <cstdint>
#include <source_location>

namespace callring::faults {

enum class Call : std::uint32_t {
#define CALLRING_NAME(name, ...) name,
    CALLRING_SYSTEM_CALLS(CALLRING_NAME) CALLRING_NUMBERED_CALLS(CALLRING_NAME)
#undef CALLRING_NAME
        start_thread,
    operator_new,
    count
};

// Counts one use; the number of the error with which it is to fail, 0 if it is to be made.
[[nodiscard]] int next(Call call, const std::source_location& at) noexcept;

}  // namespace callring::faults
