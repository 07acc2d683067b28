// ChildEnd: how a child ended, as fields; runtime/failure.py words them. Failures because of the end of a child carry
// it: a start, a registration or a submit in its Error, a task as Task::child_end.
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
    std::optional<std::uint64_t> window_ns;  // the window of the deaths; none: so many starts in a row could not work
    bool limited = false;                    // an option sets the limit and can be raised
};

// What a thread executed when a signal killed its process.
struct CrashedIn {
    std::string kernel;
    std::uint32_t block = 0;
};

struct ChildEnd {
    std::string child;  // "chip 3"
    ExitStatus status;
    std::int32_t pid = 0;  // 0: it had no process
    bool wrote_over_lane = false;
    std::string reason;  // why its parent killed it or could not start it; empty: it ended by itself
    std::optional<GivenUp> given_up;
    std::optional<CrashedIn> crashed_in;  // none: not known, or it was in no kernel
};

}  // namespace callring
