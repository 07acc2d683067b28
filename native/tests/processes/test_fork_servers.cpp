// ForkServers, with a small program (helper.cpp) that rests as a fork server does.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "processes/fork_servers.h"
#include "tests/processes/shell.h"

using namespace callring;
using namespace callring::test;

namespace {

using Server = ForkServers::Server;

constexpr std::uint64_t kLongNs = UINT64_C(120'000'000'000);

ForkServers& servers() {
    return ForkServers::of_this_process();
}

std::vector<std::string> program(const char* how) {
    return {START_PROGRAM, std::to_string(::getpid()), HELPER, how};
}

Server take(const char* how = "rest", const std::vector<std::string>& environment = {}) {
    auto taken = servers().take(program(how), environment);
    REQUIRE(taken.ok());
    return std::move(taken).value();
}

bool keep(Server server) {
    return servers().keep(std::move(server), now_ns() + kLongNs);
}

// A reaped process has no pid any more.
bool is_reaped(pid_t pid) {
    return ::kill(pid, 0) != 0;
}

// The test's children are ended after each test: none is kept.
struct Clean {
    Clean() = default;
    Clean(const Clean&) = delete;
    Clean& operator=(const Clean&) = delete;
    ~Clean() { servers().end(false); }
};

}  // namespace

TEST_CASE_FIXTURE(Clean, "a kept fork server is taken again for the same program and environment") {
    const std::vector<std::string> environment{"A=1"};
    Server first = take("rest", environment);
    const pid_t pid = first.process->pid();
    for (int round = 0; round < 3; ++round) {
        CHECK(keep(std::move(first)));
        CHECK_FALSE(is_reaped(pid));
        first = take("rest", environment);
        CHECK(first.process->pid() == pid);
    }
    ForkServers::end(*first.process);
    CHECK(is_reaped(pid));
}

TEST_CASE_FIXTURE(Clean,
                  "for another program, environment or file mode mask a new one is started, and the kept one ended") {
    const mode_t mask = ::umask(022);
    for (const int difference : {0, 1, 2}) {
        CAPTURE(difference);
        Server kept = take();
        const pid_t pid = kept.process->pid();
        CHECK(keep(std::move(kept)));
        ::umask(difference == 2 ? 077 : 022);
        const Server other = difference == 0 ? take("chatty") : difference == 1 ? take("rest", {"A=1"}) : take();
        ::umask(022);
        CHECK(other.process->pid() != pid);
        CHECK(is_reaped(pid));
        ForkServers::end(*other.process);
    }
    ::umask(mask);
}

TEST_CASE_FIXTURE(Clean, "one fork server is kept at most: a second one rests, and is ended") {
    Server first = take();
    Server second = take();
    const pid_t kept = first.process->pid();
    const pid_t ended = second.process->pid();
    CHECK(kept != ended);
    CHECK(keep(std::move(first)));
    CHECK(keep(std::move(second)));
    CHECK(is_reaped(ended));
    Server again = take();
    CHECK(again.process->pid() == kept);
    ForkServers::end(*again.process);
}

TEST_CASE_FIXTURE(Clean, "a fork server that is killed while it is kept is reaped at once, and never taken") {
    Server server = take();
    const pid_t pid = server.process->pid();
    CHECK(keep(std::move(server)));
    REQUIRE(::kill(pid, SIGKILL) == 0);
    while (!is_reaped(pid)) {
        std::this_thread::yield();
    }
    const Server next = take();
    ForkServers::end(*next.process);
}

TEST_CASE_FIXTURE(Clean, "a fork server that has ended, or ends when it is asked to rest, is not kept") {
    Server killed = take();
    killed.process->kill(SIGKILL);
    await_end(*killed.process);
    const pid_t pid = killed.process->pid();
    CHECK_FALSE(keep(std::move(killed)));
    CHECK(is_reaped(pid));
    Server mute = take("mute");
    const pid_t mute_pid = mute.process->pid();
    CHECK_FALSE(keep(std::move(mute)));
    CHECK(is_reaped(mute_pid));
}

TEST_CASE_FIXTURE(Clean, "a fork server that does not rest before the deadline is ended") {
    Server stopped = take();
    stopped.process->kill(SIGSTOP);
    const pid_t pid = stopped.process->pid();
    CHECK_FALSE(servers().keep(std::move(stopped), now_ns()));
    CHECK(is_reaped(pid));
}

TEST_CASE_FIXTURE(Clean, "messages that a fork server sent before it rested are dropped") {
    Server server = take("chatty");
    const pid_t pid = server.process->pid();
    for (int round = 0; round < 3; ++round) {
        CHECK(keep(std::move(server)));
        server = take("chatty");
        CHECK(server.process->pid() == pid);
        CHECK_FALSE(server.control.try_receive().value().has_value());
    }
    ForkServers::end(*server.process);
}

TEST_CASE_FIXTURE(Clean, "a fork server outlives the thread that asked for it") {
    Server server;
    std::thread([&] { server = take(); }).join();
    CHECK(keep(std::move(server)));  // it answers
}

TEST_CASE_FIXTURE(Clean, "many threads take fork servers at once, and each gets one of its own") {
    std::vector<Server> taken(4);
    {
        std::vector<std::thread> threads;
        for (Server& server : taken) {
            threads.emplace_back([&server] { server = std::move(servers().take(program("rest"), {})).value(); });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
    }
    for (std::size_t i = 0; i < taken.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            CHECK(taken[i].process->pid() != taken[k].process->pid());
        }
    }
    for (const Server& server : taken) {
        ForkServers::end(*server.process);
        CHECK(is_reaped(server.process->pid()));
    }
}

TEST_CASE_FIXTURE(
    Clean, "a program that cannot be executed is an error with its name, and the caller's signals are as before") {
    sigset_t before;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    const auto taken = servers().take({"/nowhere/python"}, {});
    REQUIRE_FALSE(taken.ok());
    CHECK(taken.error().message.find("cannot execute python: ") == 0);
    const Server server = take();
    ForkServers::end(*server.process);
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (int signal = 1; signal < SIGRTMAX; ++signal) {
        CHECK(::sigismember(&before, signal) == ::sigismember(&after, signal));
    }
}

TEST_CASE_FIXTURE(Clean, "a forked process has fork servers of its own, and the parent's stays the parent's") {
    Server server = take();
    const pid_t kept = server.process->pid();
    CHECK(keep(std::move(server)));
    const ForkServers* const of_parent = &servers();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::_exit(&servers() != of_parent && &servers() == &servers() ? 0 : 1);
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
    Server again = take();
    CHECK(again.process->pid() == kept);
    ForkServers::end(*again.process);
}

// The last test of this file: from now on no fork server is kept.
TEST_CASE("after the last end, a fork server rests and is ended, and none is kept") {
    Server kept = take();
    const pid_t first = kept.process->pid();
    CHECK(servers().keeps());
    CHECK(keep(std::move(kept)));
    servers().end(true);
    CHECK(is_reaped(first));
    CHECK_FALSE(servers().keeps());
    Server later = take();
    const pid_t second = later.process->pid();
    CHECK(keep(std::move(later)));
    CHECK(is_reaped(second));
    servers().end(false);
    CHECK_FALSE(servers().keeps());
}
