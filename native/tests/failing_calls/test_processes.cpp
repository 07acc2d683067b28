// Failing system calls while processes are started, watched and ended.
#include <array>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/event.h"
#include "processes/fork_servers.h"
#include "processes/supervisor.h"
#include "tests/failing_calls/failing.h"

using namespace callring;
using namespace callring::test;

TEST_CASE("a process is started and reaped, or a failing call is an error and no process is left") {
    fail_each_call([]() -> Result<void> {
        auto spawned = Process::spawn({"/bin/sh", "-c", "exit 3"}, {}, STDERR_FILENO);
        if (!spawned) {
            return std::move(spawned).error();
        }
        pollfd ended{(*spawned)->pidfd(), POLLIN, 0};
        REQUIRE(::poll(&ended, 1, -1) == 1);
        const auto status = (*spawned)->try_reap();
        REQUIRE(status.has_value());
        if (!status->known) {
            return Error{Code::io, "waitid failed"};
        }
        CHECK(status->exit_code == 3);
        return {};
    });
}

TEST_CASE("a running process is ended, whichever call fails") {
    fail_each_call([]() -> Result<void> {
        auto spawned = Process::spawn({"/bin/sleep", "1000"}, {}, STDERR_FILENO);
        if (!spawned) {
            return std::move(spawned).error();
        }
        (*spawned)->end_group(true);
        (*spawned)->end();
        return {};
    });
}

TEST_CASE("a supervisor watches a process to its end, or a failing call is an error and nothing is left") {
    fail_each_call([]() -> Result<void> {
        const UniqueFd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        Books books;
        std::mutex mutex;
        std::condition_variable changed;
        int exits = 0;
        auto made = Supervisor::create(bell.get(), books,
                                       {.on_bell = [] {},
                                        .on_readable = [](Supervisor::Key) { return Result<void>(); },
                                        .on_writable = [](Supervisor::Key) { return true; },
                                        .on_exit =
                                            [&](Supervisor::Key, const ExitStatus&) {
                                                const std::lock_guard lock(mutex);
                                                ++exits;
                                                changed.notify_all();
                                            },
                                        .next_deadline = [] { return std::nullopt; },
                                        .on_deadline = [] {},
                                        .on_torn = [] {}});
        if (!made) {
            return std::move(made).error();
        }
        Supervisor& supervisor = **made;
        std::array<int, 2> pair{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
        const UniqueFd here(pair[0]);
        const UniqueFd there(pair[1]);
        Result<void> watched;
        supervisor.run([&] {
            auto spawned = Process::spawn({"/bin/sh", "-c", "exit 3"}, {}, there.get());
            if (!spawned) {
                watched = std::move(spawned).error();
                return;
            }
            const auto process = std::move(spawned).value();
            watched = supervisor.watch_socket(2, here.get());
            if (watched) {
                watched = supervisor.watch_process(2, process, true);
                if (!watched) {
                    supervisor.forget(2);
                }
            }
            if (!watched) {
                process->end();
            }
        });
        if (watched) {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return exits > 0; });
        }
        supervisor.stop();
        CHECK(exits == (watched ? 1 : 0));
        return watched;
    });
}

TEST_CASE("a fork server is started, kept and taken again, or a failing call is an error and no process is left") {
    const std::vector<std::string> program{START_PROGRAM, std::to_string(::getpid()), HELPER, "rest"};
    fail_each_call([&]() -> Result<void> {
        ForkServers& servers = ForkServers::of_this_process();
        for (int round = 0; round < 2; ++round) {
            auto taken = servers.take(program, {});
            if (!taken) {
                servers.end(false);
                return std::move(taken).error();
            }
            if (!servers.keep(std::move(taken).value(), now_ns() + UINT64_C(60'000'000'000))) {
                servers.end(false);
                return Error{Code::io, "it did not rest"};
            }
        }
        servers.end(false);
        return {};
    });
}
