// Process: the state in which a child starts, and how its end is described.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "common/system_calls.h"
#include "processes/process.h"

using namespace callring;

namespace {

// A shell that executes `script`; the script's output to descriptor 3 is read here, until it ends.
struct Shell {
    explicit Shell(const std::string& script, const std::vector<std::string>& environment = {}) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        here = UniqueFd(ends[0]);
        const UniqueFd there(ends[1]);
        auto spawned = Process::spawn({"/bin/sh", "-c", script}, environment, there.get());
        REQUIRE(spawned.ok());
        process = std::move(spawned).value();
    }
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
        pollfd ended{process->pidfd(), POLLIN, 0};
        REQUIRE(::poll(&ended, 1, -1) == 1);
        const auto status = process->try_reap();
        REQUIRE(status.has_value());
        return *status;
    }

    UniqueFd here;
    std::shared_ptr<const Process> process;
};

}  // namespace

TEST_CASE("a wait status is an exit or a signal") {
    const ExitStatus left = ExitStatus::from_wait_status(3 << 8);
    CHECK((left.known && left.exit_code == 3 && left.signal == 0));
    const ExitStatus killed = ExitStatus::from_wait_status(SIGSEGV);
    CHECK((killed.known && killed.signal == SIGSEGV));
}

TEST_CASE("a process that ends is reaped once, with its status, and one that runs is not") {
    const Shell shell("read line <&3; exit 7");
    CHECK(shell.process->pid() > 0);
    CHECK_FALSE(shell.process->try_reap().has_value());
    REQUIRE(::write(shell.here.get(), "\n", 1) == 1);
    const ExitStatus status = shell.wait();
    CHECK(status.known);
    CHECK(status.exit_code == 7);
    CHECK_FALSE(shell.process->try_reap()->known);  // already reaped
}

TEST_CASE("a signal reaches a process, and its status names that signal") {
    const Shell shell("read line <&3");
    shell.process->kill(SIGTERM);
    const ExitStatus status = shell.wait();
    CHECK(status.signal == SIGTERM);
    shell.process->kill(SIGTERM);  // to no process
}

TEST_CASE(
    "a process is given its arguments and environment, an empty standard input and no descriptor except its own") {
    const UniqueFd inheritable(::fcntl(STDERR_FILENO, F_DUPFD, 50));  // not close-on-exec
    const Shell shell("echo $GREETING >&3; cat >&3; for fd in /proc/self/fd/*; do echo ${fd##*/} >&3; done",
                      {"GREETING=hello", "PATH=/usr/bin:/bin"});
    const std::string said = shell.said();
    CHECK(said.starts_with("hello\n"));
    CHECK(said.find("\n3\n") != std::string::npos);
    CHECK(said.find("\n" + std::to_string(inheritable.get()) + "\n") == std::string::npos);
    CHECK(shell.wait().exit_code == 0);
}

TEST_CASE("a control descriptor that already has the number that the child expects is passed on as well") {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const UniqueFd here(ends[0]);
    const UniqueFd there(ends[1]);
    const UniqueFd before = UniqueFd::copy_of(kControlFd);
    const bool was_open = before.valid();
    REQUIRE(::dup3(there.get(), kControlFd, O_CLOEXEC) == kControlFd);
    auto spawned = Process::spawn({"/bin/sh", "-c", "echo here >&3"}, {}, kControlFd);
    if (was_open) {
        ::dup3(before.get(), kControlFd, O_CLOEXEC);
    } else {
        ::close(kControlFd);
    }
    REQUIRE(spawned.ok());
    std::array<char, 5> text{};
    CHECK(::recv(here.get(), text.data(), text.size(), MSG_WAITALL) == 5);
    CHECK(std::string(text.data(), text.size()) == "here\n");
    (*spawned)->end();
}

TEST_CASE("a process begins with no signal blocked, and none ignored except SIGHUP, whatever its parent does") {
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const auto handler = std::signal(SIGUSR1, SIG_IGN);
    const Shell shell("grep -E '^Sig(Blk|Ign)' /proc/self/status >&3", {"PATH=/usr/bin:/bin"});
    std::signal(SIGUSR1, handler);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    const std::string said = shell.said();
    CHECK(said.find("SigBlk:\t0000000000000000") != std::string::npos);
    const std::size_t ignored = said.find("SigIgn:\t");
    REQUIRE(ignored != std::string::npos);
    const std::uint64_t mask = std::stoull(said.substr(ignored + 8), nullptr, 16);
    CAPTURE(mask);
    // SIGHUP is left as it was, and so are the two signals that the C library reserves, 32 and 33.
    CHECK((mask & 0x7FFF'FFFFU & ~(1U << (SIGHUP - 1U))) == 0);
    CHECK(shell.wait().exit_code == 0);
}

TEST_CASE("a process leads a group of its own, and processes that it left behind end with the group") {
    // The shell ends; the process that it started holds the socket, and reads from it for ever.
    const Shell shell("cat <&3 >&3 & exit 0", {"PATH=/usr/bin:/bin"});
    CHECK(::getpgid(shell.process->pid()) == shell.process->pid());
    pollfd ended{shell.process->pidfd(), POLLIN, 0};
    REQUIRE(::poll(&ended, 1, -1) == 1);
    shell.process->end_group(true);
    CHECK(shell.said().empty());  // returns: no process holds the other end any more
    CHECK(shell.process->try_reap()->exit_code == 0);
}

TEST_CASE("a path without a program is refused with the reason") {
    for (const char* program : {"/nowhere/program", "/dev/null"}) {
        const auto spawned = Process::spawn({program}, {}, STDERR_FILENO);
        REQUIRE_FALSE(spawned.ok());
        // By its name, without the folder.
        const std::string name(std::strrchr(program, '/') + 1);
        CHECK(spawned.error().message.find("cannot execute " + name + ": ") == 0);
    }
    CHECK_FALSE(Process::spawn({"/bin/true"}, {}, -1).ok());
}

TEST_CASE("end() waits until the process is gone") {
    const Shell shell("read line <&3");
    shell.process->end();
    CHECK(::kill(shell.process->pid(), 0) == -1);
    CHECK(errno == ESRCH);
}
