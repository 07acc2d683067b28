// Process: a child of ours, started by exec and watched through its pidfd.
// Guarantees: a child never inherits a descriptor but its standard streams and its control socket, nor a blocked or
// ignored signal; it leads a process group of its own, so that what it started and left behind can be ended; waiting
// for its death never polls; children of other code are not touched.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/child_end.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace callring {

// The descriptor under which a child finds its control socket.
inline constexpr int kControlFd = 3;

class Process {
public:
    Process() = default;
    Process(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}

    // Executes argv[0] with `environment` ("NAME=value"); `control` becomes descriptor kControlFd; standard input is
    // empty. Call it from a thread that outlives the child: children ask to die with the thread that started them.
    static Result<Process> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                 int control);

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }

    void kill(int signal) const noexcept;
    // Ends (SIGKILL) all of its process group: what it started and left behind. For a process that has ended; a direct
    // child must not have been reaped, or the number of the group could be another's.
    void end_group(bool direct) const noexcept;
    // Kills it and waits for its end; a direct child only.
    void end() const noexcept;
    // Reaps the process if it has ended; for a direct child only.
    [[nodiscard]] std::optional<ExitStatus> try_reap() const noexcept;

private:
    pid_t pid_ = -1;
    UniqueFd pidfd_;
};

}  // namespace callring
