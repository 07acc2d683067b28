// Faults: makes the k-th use of a system call, of a thread or of `new` fail, only in builds with CALLRING_FAULTS. All
// processes of a Worker map one file (CALLRING_FAULTS_FILE in their environment), which names the fault and counts the
// uses; tests/faults writes and reads it. Without the file nothing fails on purpose.
// Included only by common/system_calls.h, which lists the calls.
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

// Counts one use. Returns the error number with which the call must fail, or 0.
[[nodiscard]] int next(Call call, const std::source_location& at) noexcept;

}  // namespace callring::faults
