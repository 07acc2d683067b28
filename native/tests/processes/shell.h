// A shell that a test starts as a child process; the script's output to descriptor 3 is read by the test.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/system_calls.h"
#include "processes/process.h"

namespace callring::test {

// Waits until a process that is no longer needed has ended. It is not reaped.
inline void await_end(const Process& process) {
    pollfd ended{process.pidfd(), POLLIN, 0};
    REQUIRE(::poll(&ended, 1, -1) == 1);
}

struct Program {
    explicit Program(const std::vector<std::string>& argv,
                     const std::vector<std::string>& environment = {"PATH=/usr/bin:/bin"}) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        here = UniqueFd(ends[0]);
        const UniqueFd there(ends[1]);
        auto spawned = Process::spawn(argv, environment, there.get());
        REQUIRE(spawned.ok());
        process = std::move(spawned).value();
    }
    // Everything that it writes to descriptor 3, until no process has that descriptor any more.
    [[nodiscard]] std::string said() const {
        std::string text;
        std::array<char, 4096> buffer{};
        for (ssize_t count = ::read(here.get(), buffer.data(), buffer.size()); count > 0;
             count = ::read(here.get(), buffer.data(), buffer.size())) {
            text.append(buffer.data(), static_cast<std::size_t>(count));
        }
        return text;
    }
    [[nodiscard]] ExitStatus wait() const {
        await_end(*process);
        const auto status = process->try_reap();
        REQUIRE(status.has_value());
        return *status;
    }

    UniqueFd here;
    std::shared_ptr<const Process> process;
};

struct Shell : Program {
    explicit Shell(const std::string& script, const std::vector<std::string>& environment = {})
        : Program({"/bin/sh", "-c", script}, environment) {}
};

}  // namespace callring::test
