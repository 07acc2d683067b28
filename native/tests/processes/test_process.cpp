// Process: the state in which a child starts, and how its end is described.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/processes/shell.h"

using namespace callring;
using namespace callring::test;

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

TEST_CASE("each exit code and each deadly signal is reported as it was") {
    for (const int code : {0, 1, 2, 126, 127, 128, 255}) {
        const Shell shell("exit " + std::to_string(code));
        const ExitStatus status = shell.wait();
        CHECK((status.known && status.exit_code == code && status.signal == 0));
    }
    for (const int signal : {SIGHUP, SIGINT, SIGABRT, SIGKILL, SIGSEGV, SIGTERM, SIGUSR1}) {
        const Shell shell("kill -" + std::to_string(signal) + " $$; read line <&3");
        const ExitStatus status = shell.wait();
        CHECK((status.known && status.exit_code == 0 && status.signal == signal));
    }
}

TEST_CASE("a stopped process has not ended: it is not reaped, and can go on or be ended") {
    const Shell shell("echo begun >&3; read line <&3; exit 3");
    std::array<char, 6> begun{};
    REQUIRE(::recv(shell.here.get(), begun.data(), begun.size(), MSG_WAITALL) == 6);
    shell.process->kill(SIGSTOP);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(shell.process->pid()), &info, WSTOPPED | WNOWAIT) == 0);
    CHECK_FALSE(shell.process->try_reap().has_value());
    shell.process->kill(SIGCONT);
    REQUIRE(::write(shell.here.get(), "\n", 1) == 1);
    CHECK(shell.wait().exit_code == 3);
    const Shell other("read line <&3");
    other.process->kill(SIGSTOP);
    other.process->end();
    CHECK(::kill(other.process->pid(), 0) == -1);
}

TEST_CASE("a process has the given variables and no others") {
    const Shell shell("exec env >&3", {"PATH=/usr/bin:/bin", "EMPTY=", "TEXT=a b=c"});
    const std::string said = "\n" + shell.said();
    for (const char* line : {"\nPATH=/usr/bin:/bin\n", "\nEMPTY=\n", "\nTEXT=a b=c\n"}) {
        CHECK(said.find(line) != std::string::npos);
    }
    CHECK(said.find("HOME=") == std::string::npos);
    CHECK(shell.wait().exit_code == 0);
}

TEST_CASE("many processes run at once, and each end is that of its process") {
    std::vector<std::unique_ptr<Shell>> shells;
    for (int i = 0; i < 12; ++i) {
        shells.push_back(std::make_unique<Shell>("read line <&3; exit " + std::to_string(100 + i)));
    }
    for (std::size_t i = shells.size(); i-- > 0;) {
        REQUIRE(::write(shells[i]->here.get(), "\n", 1) == 1);
        CHECK(shells[i]->wait().exit_code == 100 + static_cast<int>(i));
    }
}

TEST_CASE("without a free descriptor no process is started, and the error says which limit to raise") {
    std::vector<UniqueFd> others;  // so that the limit is more than the number of a child's control descriptor
    for (int i = 0; i < 8; ++i) {
        others.push_back(UniqueFd::copy_of(STDERR_FILENO));
    }
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(UniqueFd::copy_of(STDERR_FILENO).get());  // the lowest free number
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto spawned = Process::spawn({"/bin/true"}, {}, STDERR_FILENO);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(spawned.ok());
    CHECK(spawned.error().code == Code::out_of_descriptors);
    CHECK(spawned.error().message.find("ulimit -n") != std::string::npos);
}

TEST_CASE("a process that was never started can be killed and waited for without effect") {
    const Process none;
    CHECK(none.pid() == -1);
    none.kill(SIGKILL);
    CHECK_FALSE(none.try_reap()->known);
    none.end();
}
