// ForkServers: the fork servers of this process. Starts them, and keeps one that no Worker uses, so that the next
// Worker need not wait until an interpreter has started and imported NumPy. Guarantees: a kept fork server is used
// again only where a new one would be the same; a fork server dies with this process, and not with the thread that
// asked for it; one that ends while it is kept is reaped at once; a forked process has none of them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "control/channel.h"
#include "processes/process.h"

namespace callring {

class ForkServers {
public:
    struct Server {
        std::shared_ptr<const Process> process;
        Channel control;
    };

    static ForkServers& of_this_process();

    // The kept fork server if it was started from the same program and answers, else a new one. Errors: as
    // Process::spawn, and out_of_memory.
    Result<Server> take(const std::vector<std::string>& argv, const std::vector<std::string>& environment);
    // Asks a fork server of take() to rest, and keeps it. Ends it if it does not rest before `deadline_ns`, if one is
    // kept already, or after end(true). Returns whether it rested.
    bool keep(Server server, std::uint64_t deadline_ns);
    // Whether keep() may keep one: not after end(true).
    [[nodiscard]] bool keeps();
    // Ends the kept fork server, and keeps none from now on if `for_good`.
    void end(bool for_good);
    // Kills and reaps one. Gives up after some seconds: the kernel may be unable to end it.
    static void end(const Process& server);

private:
    struct Program {
        std::vector<std::string> argv;
        std::vector<std::string> environment;  // "NAME=value"
        std::string circumstances;             // what else a process inherits: limits, user, processors, ...
        bool operator==(const Program&) const = default;
    };

    explicit ForkServers(pid_t owner) noexcept : owner_(owner) {}

    Result<Server> start(Program program);
    void watch(const std::shared_ptr<const Process>& process);

    const pid_t owner_;
    std::mutex mutex_;
    std::map<const Process*, Program> programs_;  // of those that run
    std::optional<Server> kept_;
    bool over_ = false;
};

}  // namespace callring
