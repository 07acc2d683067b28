// Memory that a forked process may still have: real forks, which live until the test ends them.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "memory/fork_watch.h"

using namespace callring;

namespace {

// A forked process that executes `begin`, and then lives until end().
class Fork {
public:
    template <class Begin>
    explicit Fork(const Begin& begin) {
        std::array<int, 2> begun{};
        REQUIRE(::pipe(begun.data()) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        char byte = 0;
        if (pid_ == 0) {
            begin(begun[1]);
            [[maybe_unused]] const auto told = ::write(begun[1], &byte, 1);
            for (;;) {
                ::pause();
            }
        }
        ::close(begun[1]);
        REQUIRE(::read(begun[0], &byte, 1) == 1);
        ::close(begun[0]);
    }
    Fork() : Fork([](int) {}) {}
    Fork(const Fork&) = delete;
    Fork& operator=(const Fork&) = delete;
    ~Fork() { end(); }

    void end() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(std::exchange(pid_, -1), nullptr, 0);
        }
    }

private:
    pid_t pid_ = -1;
};

struct Held {
    Held() : since(fork_watch::hold()) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { fork_watch::let_go(); }
    [[nodiscard]] bool inherited() const { return fork_watch::may_be_inherited(since); }
    std::uint64_t since;
};

}  // namespace

TEST_CASE("memory that was held at no fork is inherited by no process") {
    const Held held;
    CHECK_FALSE(held.inherited());
}

TEST_CASE("memory that is held when a process is forked is inherited until that process ends") {
    const Held held;
    Fork fork;
    CHECK(held.inherited());
    CHECK(held.inherited());
    fork.end();
    CHECK_FALSE(held.inherited());
}

TEST_CASE("memory that is held only after a fork is not inherited by it") {
    const Held before;
    const Fork fork;
    const Held after;
    CHECK(before.inherited());
    CHECK_FALSE(after.inherited());
}

TEST_CASE("memory is inherited until the last of two forks has ended") {
    const Held held;
    Fork first;
    const Held later;
    Fork second;
    first.end();
    CHECK(held.inherited());
    CHECK(later.inherited());
    second.end();
    CHECK_FALSE(held.inherited());
    CHECK_FALSE(later.inherited());
}

TEST_CASE("a fork that closes every descriptor still inherits memory") {
    const Held held;
    Fork fork([](int kept) {
        for (int fd = 0; fd < 256; ++fd) {
            if (fd != kept) {
                ::close(fd);
            }
        }
    });
    CHECK(held.inherited());
    fork.end();
    CHECK_FALSE(held.inherited());
}

TEST_CASE("a fork of a fork inherits memory also when the first has ended") {
    const Held held;
    std::array<int, 2> go{};
    REQUIRE(::pipe(go.data()) == 0);
    const pid_t first = ::fork();
    if (first == 0) {
        ::close(go[1]);
        if (::fork() == 0) {
            char byte = 0;
            [[maybe_unused]] const auto ended = ::read(go[0], &byte, 1);
            ::_exit(0);
        }
        ::_exit(0);
    }
    ::close(go[0]);
    ::waitpid(first, nullptr, 0);
    CHECK(held.inherited());
    ::close(go[1]);
    while (held.inherited()) {  // until the second fork has ended: it is not our child, so it cannot be waited for
        ::usleep(1000);
    }
}

TEST_CASE("a fork that executes another program inherits no memory") {
    const Held held;
    std::array<int, 2> go{};
    REQUIRE(::pipe(go.data()) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(go[0], 0);
        ::close(go[1]);
        ::execl("/bin/cat", "cat", nullptr);
        ::_exit(1);
    }
    ::close(go[0]);
    while (held.inherited()) {  // until it executes the program
        ::usleep(1000);
    }
    CHECK(::waitpid(pid, nullptr, WNOHANG) == 0);
    ::close(go[1]);
    ::waitpid(pid, nullptr, 0);
}

TEST_CASE("a fork is another process and holds no memory itself") {
    const Held held;
    const std::uint64_t here = fork_watch::process();
    const pid_t pid = ::fork();
    if (pid == 0) {
        const bool other = fork_watch::process() != here;
        const std::uint64_t own = fork_watch::hold();
        ::_exit(other && !fork_watch::may_be_inherited(own) ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
    CHECK(fork_watch::process() == here);
}
