// The notes of crashing processes: forked ones, with a note in memory that this process reads afterwards.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

#include "child_side/crash_note.h"
#include "chip/block_at_work.h"
#include "common/system_calls.h"

using namespace callring;

namespace {

constexpr auto kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};

struct Crash {
    // Lets a forked process with the default handlers call `prepare`, then note_crashes() and `end`.
    template <class Prepare, class End>
    Crash(const Prepare& prepare, const End& end)
        : note_(*static_cast<CrashNote*>(
              ::mmap(nullptr, sizeof(CrashNote), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it may hang, and the test be ended for that
            for (const int signal : kSignals) {
                std::signal(signal, SIG_DFL);
            }
            prepare(note_);
            note_crashes(note_);
            end();
            ::_exit(0);
        }
        ::waitpid(pid, &status, 0);
    }
    Crash(const Crash&) = delete;
    Crash& operator=(const Crash&) = delete;
    ~Crash() { ::munmap(&note_, sizeof(CrashNote)); }

    [[nodiscard]] bool ended_by(int signal) const { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }
    [[nodiscard]] std::uint32_t state() const { return note_.state.load(); }
    [[nodiscard]] std::uint32_t block() const { return note_.block; }
    [[nodiscard]] std::string kernel() const {
        return {note_.kernel.begin(), std::find(note_.kernel.begin(), note_.kernel.end(), '\0')};
    }

    int status = -1;

private:
    CrashNote& note_;
};

const auto kNothing = [](CrashNote&) {};

void work_on(const char* kernel, std::uint32_t block) {
    chip::block_at_work = {kernel, block};
}

}  // namespace

TEST_CASE("each deadly signal that a thread raises in a kernel is noted, and ends the process as without the note") {
    for (const int signal : kSignals) {
        CAPTURE(signal);
        const Crash crash(kNothing, [&] {
            work_on("add", 7);
            std::raise(signal);
        });
        CHECK(crash.ended_by(signal));
        CHECK(crash.state() == CrashNote::kWhole);
        CHECK(crash.block() == 7);
        CHECK(crash.kernel() == "add");
    }
}

TEST_CASE("abort() in a kernel is noted") {
    const Crash crash(kNothing, [] {
        work_on("add", UINT32_MAX);
        std::abort();
    });
    CHECK(crash.ended_by(SIGABRT));
    CHECK(crash.block() == UINT32_MAX);
}

TEST_CASE("a name that is too long is cut short, and one that just fits is not") {
    for (const std::size_t length :
         {std::size_t{1}, std::size_t{55}, std::size_t{56}, std::size_t{57}, std::size_t{255}}) {
        CAPTURE(length);
        const std::string name(length, 'k');
        const Crash crash(kNothing, [&] {
            work_on(name.c_str(), 1);
            std::raise(SIGTRAP);
        });
        CHECK(crash.state() == CrashNote::kWhole);
        CHECK(crash.kernel() == name.substr(0, 56));
    }
}

TEST_CASE("a crash outside of a kernel is not noted, and ends the process all the same") {
    const Crash crash(kNothing, [] { std::raise(SIGABRT); });
    CHECK(crash.ended_by(SIGABRT));
    CHECK(crash.state() == CrashNote::kNone);
}

TEST_CASE("only the first crash is noted: a thread that crashes while another writes its note changes nothing") {
    const Crash crash([](CrashNote& note) { note.state = CrashNote::kBegun; },
                      [] {
                          work_on("second", 2);
                          std::raise(SIGABRT);
                      });
    CHECK(crash.ended_by(SIGABRT));
    CHECK(crash.state() == CrashNote::kBegun);
    CHECK(crash.kernel().empty());
}

TEST_CASE("a signal that another process sends is not noted") {
    const Crash crash(kNothing, [] {
        work_on("innocent", 3);
        const pid_t here = ::getpid();
        // The signal comes after fork() has returned: ThreadSanitizer can handle none inside it.
        std::array<int, 2> returned{};
        if (::pipe(returned.data()) != 0) {
            ::_exit(1);
        }
        if (::fork() == 0) {
            char byte = 0;
            if (::read(returned[0], &byte, 1) == 1) {
                ::kill(here, SIGTRAP);
            }
            ::_exit(0);
        }
        if (::write(returned[1], "", 1) != 1) {
            ::_exit(1);
        }
        for (;;) {
            ::pause();
        }
    });
    CHECK(crash.ended_by(SIGTRAP));
    CHECK(crash.state() == CrashNote::kNone);
}

TEST_CASE("a process that a kernel has forked writes no note about its own crash") {
    const Crash crash(kNothing, [] {
        work_on("forking", 4);
        const pid_t pid = ::fork();
        if (pid == 0) {
            std::raise(SIGABRT);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        ::_exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 9 : 1);
    });
    CHECK(WEXITSTATUS(crash.status) == 9);
    CHECK(crash.state() == CrashNote::kNone);
}

TEST_CASE("a signal that has a handler already keeps it") {
    const Crash crash([](CrashNote&) { std::signal(SIGABRT, [](int) { ::_exit(42); }); },
                      [] {
                          work_on("add", 7);
                          std::raise(SIGABRT);
                      });
    CHECK(WIFEXITED(crash.status));
    CHECK(WEXITSTATUS(crash.status) == 42);
    CHECK(crash.state() == CrashNote::kNone);
}
