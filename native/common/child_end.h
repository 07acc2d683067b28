// ChildEnd: how a child ended, as fields from which runtime/failure.py makes a message. Every failure that a child's
// end caused has a ChildEnd: a failed start, registration or submit in its Error, a task in Task::child_end.
#pragma once

#include <sys/wait.h>

#include <cstdint>
#include <optional>
#include <string>

namespace callring {

struct ExitStatus {
    bool known = false;  // false: another process reaped it
    int exit_code = 0;   // meaningful if signal is 0
    int signal = 0;

    static ExitStatus from_wait_status(int status) noexcept {
        const bool killed = WIFSIGNALED(status);
        return {true, killed ? 0 : WEXITSTATUS(status), killed ? WTERMSIG(status) : 0};
    }
};

// Why a child was given up.
struct GivenUp {
    std::uint64_t count = 0;
    std::optional<std::uint64_t> window_ns;  // of the deaths; none: `count` processes in a row executed no task
    bool limited = false;                    // whether the limit is an option's value, which the user can raise
};

// The kernel and the block that a thread executed when a signal killed its process.
struct CrashedIn {
    std::string kernel;
    std::uint32_t block = 0;
};

struct ChildEnd {
    std::string child;  // "chip 3"
    ExitStatus status;
    std::int32_t pid = 0;  // 0: the child had no process
    bool wrote_over_lane = false;
    std::string reason;  // why its parent killed or could not start it; empty: it ended by itself
    std::optional<GivenUp> given_up;
    std::optional<CrashedIn> crashed_in;  // none: unknown, or the thread was in no kernel
};

}  // namespace callring
