// Process: a child process of Callring, started by exec and watched through its pidfd.
// Guarantees: a child inherits only its standard streams and its control socket, and no blocked or ignored signal; it
// leads its own process group, so that processes that it started can be killed; waiting for its death does not poll;
// child processes of other code are not affected.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/child_end.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace callring {

// The number of a child's control socket.
inline constexpr int kControlFd = 3;

class Process {
public:
    Process() = default;
    Process(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}

    // Executes argv[0] with `environment` ("NAME=value"); `control` becomes descriptor kControlFd; standard input is
    // empty. Call it from a thread that outlives the child: children die with the thread that started them.
    // Errors: of the failing system call. Throws std::bad_alloc, and then there is no child.
    static Result<std::shared_ptr<const Process>> spawn(const std::vector<std::string>& argv,
                                                        const std::vector<std::string>& environment, int control);

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }

    void kill(int signal) const noexcept;
    // Kills (SIGKILL) the rest of its process group: processes that it started. For a process that has ended. Reap a
    // direct child only after this call: otherwise another group could have the number.
    void end_group(bool direct) const noexcept;
    // Kills the process and waits for its end; for a direct child only.
    void end() const noexcept;
    // Reaps the process if it has ended; for a direct child only.
    [[nodiscard]] std::optional<ExitStatus> try_reap() const noexcept;

private:
    pid_t pid_ = -1;
    UniqueFd pidfd_;
};

}  // namespace callring
