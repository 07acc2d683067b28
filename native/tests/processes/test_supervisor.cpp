// Supervisor: the progress thread, and its hooks for sockets, processes and time.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "common/clock.h"
#include "common/event.h"
#include "common/system_calls.h"
#include "processes/supervisor.h"

using namespace callring;

namespace {

std::string text_of(const ExitStatus& status) {
    if (!status.known) {
        return "unknown";
    }
    return status.signal != 0 ? "signal " + std::to_string(status.signal)
                              : "status " + std::to_string(status.exit_code);
}

// Whether any epoll of this process watches `fd`.
bool is_watched(int fd) {
    const std::string wanted = std::to_string(fd);
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
        std::ifstream info(entry.path());
        for (std::string word; info >> word;) {
            if (word == "tfd:" && info >> word && word == wanted) {
                return true;
            }
        }
    }
    return false;
}

// A supervisor whose hooks note each of their calls, for which a test waits.
struct Watch {
    Watch() {
        auto made = Supervisor::create(bell.get(), books,
                                       {
                                           .on_bell =
                                               [this] {
                                                   clear_event(bell.get());
                                                   note("bell");
                                               },
                                           .on_readable = [this](Supervisor::Key key) { return read(key); },
                                           .on_writable =
                                               [this](Supervisor::Key key) {
                                                   note("writable " + std::to_string(key));
                                                   return --writable_after < 0;
                                               },
                                           .on_exit =
                                               [this](Supervisor::Key key, const ExitStatus& status) {
                                                   note("exit " + std::to_string(key) + ": " + text_of(status));
                                               },
                                           .next_deadline = [this] { return deadline; },
                                           .on_deadline =
                                               [this] {
                                                   deadline.reset();
                                                   note("deadline");
                                               },
                                           .on_torn = [this] { note("torn"); },
                                       });
        REQUIRE(made.ok());
        supervisor = std::move(made).value();
    }

    Result<void> read(Supervisor::Key key) {
        std::array<char, 64> text{};
        const ssize_t count = ::recv(ends.at(key % 2).get(), text.data(), text.size(), MSG_DONTWAIT);
        if (count == 0) {
            note("closed " + std::to_string(key));
            return Error{Code::closed, "closed"};
        }
        if (count == 4 && std::string(text.data(), 3) == "lie") {
            note("lie " + std::to_string(key));
            return Error{Code::malformed, "a lie"};
        }
        if (count > 0) {
            note("read " + std::to_string(key) + ": " + std::string(text.data(), static_cast<std::size_t>(count)));
        }
        return {};
    }
    void note(const std::string& what) {
        const std::lock_guard lock(mutex);
        noted.push_back(what);
        changed.notify_all();
    }
    // Waits until a hook has noted `what`, and returns how often it did.
    std::ptrdiff_t await(const std::string& what) {
        std::unique_lock lock(mutex);
        const auto count = [&] { return std::count(noted.begin(), noted.end(), what); };
        changed.wait(lock, [&] { return count() > 0; });
        return count();
    }
    // Starts `script` under `key`, with one end of a socket.
    void start(Supervisor::Key key, const std::string& script, bool direct = true) {
        std::array<int, 2> pair{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
        UniqueFd here(pair[0]);
        const UniqueFd there(pair[1]);
        supervisor->run([&] {
            // Here, because the supervisor's thread reads it. The old one is still watched: it is not closed.
            old.push_back(std::exchange(ends.at(key % 2), std::move(here)));
            auto spawned = Process::spawn({"/bin/sh", "-c", script}, {"PATH=/usr/bin:/bin"}, there.get());
            if (!spawned) {
                throw std::runtime_error(spawned.error().message);
            }
            process = std::move(spawned).value();
            if (!supervisor->watch_socket(key, ends.at(key % 2).get()) ||
                !supervisor->watch_process(key, process, direct)) {
                throw std::runtime_error("it cannot be watched");
            }
        });
    }

    UniqueFd bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    Books books;
    std::array<UniqueFd, 2> ends;
    std::vector<UniqueFd> old;
    std::shared_ptr<const Process> process;
    std::optional<std::uint64_t> deadline;  // on its thread
    int writable_after = 0;                 // likewise: how often the hook says that a message still waits
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> noted;
    std::unique_ptr<Supervisor> supervisor;
};

}  // namespace

TEST_CASE("work runs on the progress thread, in order, and its exceptions reach the thread that waits for it") {
    Watch watch;
    std::vector<int> order;
    std::thread::id where;
    watch.supervisor->post([&] { order.push_back(1); });
    watch.supervisor->post([&] { order.push_back(2); });
    watch.supervisor->run([&] {
        order.push_back(3);
        where = std::this_thread::get_id();
    });
    CHECK(order == std::vector<int>{1, 2, 3});
    CHECK(where != std::this_thread::get_id());
    CHECK_THROWS_AS(watch.supervisor->run([] { throw std::runtime_error("wrong"); }), std::runtime_error);
    watch.supervisor->run([&] { order.push_back(4); });
    CHECK(order.back() == 4);
}

TEST_CASE("no signal is handled on the progress thread") {
    Watch watch;
    sigset_t blocked;
    watch.supervisor->run([&] { ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked); });
    CHECK(::sigismember(&blocked, SIGINT) == 1);
    CHECK(::sigismember(&blocked, SIGUSR1) == 1);
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    CHECK(::sigismember(&blocked, SIGINT) == 0);
}

TEST_CASE("the bell's hook is called whenever the bell rings") {
    Watch watch;
    raise_event(watch.bell.get());
    watch.await("bell");
    {
        const std::lock_guard lock(watch.mutex);
        watch.noted.clear();
    }
    raise_event(watch.bell.get());
    watch.await("bell");
}

TEST_CASE("the last messages of a process are read before its end is reported, which happens once") {
    Watch watch;
    watch.start(2, "echo -n bye >&3; exit 5");
    CHECK(watch.await("exit 2: status 5") == 1);
    watch.supervisor->stop();
    const auto place = [&](const std::string& what) {
        return std::find(watch.noted.begin(), watch.noted.end(), what) - watch.noted.begin();
    };
    CHECK(place("read 2: bye") < place("exit 2: status 5"));
}

TEST_CASE("the end of a killed process has its signal, and a successor under another key is not mistaken for it") {
    Watch watch;
    watch.start(2, "read line <&3");
    watch.process->kill(SIGKILL);
    watch.await("exit 2: signal 9");
    watch.start(4, "read line <&3; exit 0");
    watch.supervisor->run(
        [&] { watch.supervisor->note_exit(2, ExitStatus{}); });  // without effect: that process has ended
    REQUIRE(::send(watch.ends[0].get(), "\n", 1, MSG_NOSIGNAL) == 1);
    watch.await("exit 4: status 0");
}

TEST_CASE("a process that closes its socket and lives on is ended, and one that ends by itself is not") {
    Watch watch;
    watch.start(2, "exec 3>&-; while :; do sleep 1000; done");
    watch.await("closed 2");
    watch.await("exit 2: signal 9");
}

TEST_CASE("the hook is called once per request when a socket takes messages again") {
    Watch watch;
    watch.start(2, "read line <&3");
    watch.supervisor->run([&] { watch.supervisor->await_writable(2); });
    CHECK(watch.await("writable 2") == 1);
    watch.supervisor->run([&] { watch.supervisor->await_writable(99); });  // of no socket
    watch.process->kill(SIGKILL);
    watch.await("exit 2: signal 9");
}

TEST_CASE("sockets that are left to a caller are not read, and their messages are read afterwards") {
    Watch watch;
    watch.start(2, "read line <&3; echo -n late >&3; read line <&3");
    watch.supervisor->leave_sockets();
    REQUIRE(::send(watch.ends[0].get(), "\n", 1, MSG_NOSIGNAL) == 1);
    pollfd arrived{watch.ends[0].get(), POLLIN, 0};
    REQUIRE(::poll(&arrived, 1, -1) == 1);
    watch.supervisor->run([] {});  // the thread has polled since
    {
        const std::lock_guard lock(watch.mutex);
        CHECK(watch.noted.empty());
    }
    watch.supervisor->hear_sockets();
    watch.await("read 2: late");
    watch.process->kill(SIGKILL);
    watch.await("exit 2: signal 9");
}

TEST_CASE("no hook is called for a process that was forgotten") {
    Watch watch;
    watch.start(2, "read line <&3");
    watch.supervisor->run([&] { watch.supervisor->forget(2); });
    watch.process->end();
    watch.supervisor->stop();
    CHECK(watch.noted.empty());
}

TEST_CASE("neither the process nor the socket of a forgotten key is watched any more, though others have them open") {
    Watch watch;
    watch.start(2, "read line <&3");
    const int pidfd = watch.process->pidfd();
    const int socket = watch.ends[0].get();
    CHECK(is_watched(pidfd));
    CHECK(is_watched(socket));
    watch.supervisor->run([&] { watch.supervisor->forget(2); });
    CHECK_FALSE(is_watched(pidfd));
    CHECK_FALSE(is_watched(socket));
    watch.process->end();
}

TEST_CASE("nothing of a process that has ended is watched any more") {
    Watch watch;
    watch.start(2, "exit 0");
    watch.await("exit 2: status 0");
    watch.supervisor->run([] {});
    CHECK_FALSE(is_watched(watch.process->pidfd()));
    CHECK_FALSE(is_watched(watch.ends[0].get()));
}

TEST_CASE("the status of a process that is no direct child is the one that is reported for it, and only once") {
    Watch watch;
    watch.start(2, "read line <&3", false);
    watch.supervisor->run([&] {
        watch.process->kill(SIGTERM);
        watch.supervisor->note_exit(2, ExitStatus{true, 0, SIGUSR2});  // as the fork server says, which has reaped it
        watch.supervisor->note_exit(2, ExitStatus{true, 9, 0});        // without effect: it has been reported
    });
    CHECK(watch.await("exit 2: signal " + std::to_string(SIGUSR2)) == 1);
    watch.supervisor->stop();
    CHECK(watch.noted.back() == "exit 2: signal " + std::to_string(SIGUSR2));
    watch.process->end();
}

TEST_CASE("once no more statuses are reported, the end of a process that is no direct child has no status") {
    Watch watch;
    watch.start(2, "read line <&3", false);
    watch.supervisor->run([&] { watch.supervisor->lose_notes(); });
    watch.process->kill(SIGKILL);
    CHECK(watch.await("exit 2: unknown") == 1);
    watch.process->end();
    // The same for one that had ended before.
    watch.start(4, "read line <&3", false);
    watch.process->kill(SIGKILL);
    pollfd ended{watch.process->pidfd(), POLLIN, 0};
    REQUIRE(::poll(&ended, 1, -1) == 1);
    watch.supervisor->run([&] { watch.supervisor->lose_notes(); });
    CHECK(watch.await("exit 4: unknown") == 1);
    watch.process->end();
}

TEST_CASE("a process that breaks the protocol is killed, and its socket is not read again") {
    Watch watch;
    watch.start(2, "echo lie >&3; read line <&3");
    watch.await("exit 2: signal 9");
    watch.supervisor->stop();
    CHECK(watch.noted == std::vector<std::string>{"lie 2", "exit 2: signal 9"});
}

TEST_CASE("a socket that takes messages is reported again until no message waits") {
    Watch watch;
    watch.start(2, "read line <&3");
    watch.supervisor->run([&] {
        watch.writable_after = 2;
        watch.supervisor->await_writable(2);
    });
    watch.supervisor->run([] {});
    std::ptrdiff_t reported = 0;
    while (reported < 3) {
        reported = watch.await("writable 2");
    }
    watch.process->kill(SIGKILL);
    watch.await("exit 2: signal 9");
    CHECK(watch.await("writable 2") == 3);
}

TEST_CASE("processes that end at the same time are each reported, with their own status") {
    Watch watch;
    constexpr Supervisor::Key kMany = 40;
    for (Supervisor::Key key = 10; key < 10 + kMany; key += 2) {
        watch.start(key, "exit " + std::to_string(key));
    }
    for (Supervisor::Key key = 10; key < 10 + kMany; key += 2) {
        CHECK(watch.await("exit " + std::to_string(key) + ": status " + std::to_string(key)) == 1);
    }
}

TEST_CASE("a socket that cannot be watched is an error, and its key is not watched") {
    Watch watch;
    watch.supervisor->run([&] {
        const auto refused = watch.supervisor->watch_socket(6, -1);
        CHECK_FALSE(refused.ok());
        watch.supervisor->note_exit(6, ExitStatus{});  // without effect
    });
    watch.supervisor->stop();
    CHECK(watch.noted.empty());
}

TEST_CASE("all posted work is done before the thread stops, and it can be stopped again") {
    Watch watch;
    int done = 0;
    for (int i = 0; i < 100; ++i) {
        watch.supervisor->post([&] { ++done; });
    }
    watch.supervisor->stop();
    CHECK(done == 100);
    watch.supervisor->stop();
}

TEST_CASE("work that posts more work is followed by it") {
    Watch watch;
    watch.supervisor->run([&] { watch.supervisor->post([&] { watch.note("posted"); }); });
    CHECK(watch.await("posted") == 1);
}

TEST_CASE("the hook of a deadline is called when that has passed, and any posted work may set a deadline") {
    Watch watch;
    watch.supervisor->run([&] { watch.deadline = now_ns(); });
    CHECK(watch.await("deadline") == 1);
}

TEST_CASE("work that runs out of memory tears the books, a hook is called for that, and the thread goes on") {
    Watch watch;
    watch.supervisor->post([] { throw std::bad_alloc(); });
    watch.await("torn");
    CHECK(watch.books.torn);
    int ran = 0;
    watch.supervisor->run([&] { ran = 1; });
    CHECK(ran == 1);
}
