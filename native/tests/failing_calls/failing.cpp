#include "tests/failing_calls/failing.h"

#include <dirent.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include "tests/soon.h"

namespace {

using callring::faults::Call;

constexpr auto kCalls = static_cast<std::size_t>(Call::count);

// The failure that is due: the `g_at`-th use of `g_call` fails with `g_error`.
std::atomic<Call> g_call{Call::count};
std::atomic<std::uint64_t> g_at{0};
std::atomic<int> g_error{0};
std::array<std::atomic<std::uint64_t>, kCalls> g_uses{};  // since the begin of the work

}  // namespace

namespace callring::faults {

int next(Call call, const std::source_location& /*at*/) noexcept {
    const std::uint64_t use = g_uses.at(static_cast<std::size_t>(call)).fetch_add(1) + 1;
    return call == g_call.load() && use == g_at.load() ? g_error.load() : 0;
}

}  // namespace callring::faults

namespace callring::test {

namespace {

struct Entry {
    Call call;
    const char* name;
    std::vector<int> errors;
};

// The table of common/system_calls.h.
const std::vector<Entry>& table() {
    static const std::vector<Entry> entries{
#define CALLRING_ENTRY(name, First, tells, ...) {Call::name, #name, {__VA_ARGS__}},
        CALLRING_SYSTEM_CALLS(CALLRING_ENTRY)
#undef CALLRING_ENTRY
#define CALLRING_ENTRY(name, tells, ...) {Call::name, #name, {__VA_ARGS__}},
            CALLRING_NUMBERED_CALLS(CALLRING_ENTRY)
#undef CALLRING_ENTRY
                {Call::start_thread, "start_thread", {EAGAIN}}};
    return entries;
}

std::size_t entries_of(const char* folder) {
    std::size_t count = 0;
    DIR* const open = ::opendir(folder);
    while (::readdir(open) != nullptr) {
        ++count;
    }
    ::closedir(open);
    return count;
}

std::size_t shared_mappings() {
    std::size_t count = 0;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        count += line.find("memfd:callring") != std::string::npos ? 1 : 0;
    }
    return count;
}

struct Left {
    std::size_t descriptors = entries_of("/proc/self/fd");
    std::size_t mappings = shared_mappings();
    std::size_t threads = entries_of("/proc/self/task");
    friend bool operator==(const Left&, const Left&) = default;
};

bool has_only(const Left& before) {
    return soon([&] { return before == Left(); });
}

// Whether only the main thread runs, and ThreadSanitizer's own, which the first thread of a process brings with it.
bool no_other_thread() {
#ifdef __SANITIZE_THREAD__
    constexpr std::size_t kThreads = 2;
#else
    constexpr std::size_t kThreads = 1;
#endif
    return soon([] { return entries_of("/proc/self/task") == kThreads + 2; });  // and "." and ".."
}

bool has_children() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// Does the work with one failing use. Exceptions of the standard library count as the errors that they stand for.
Result<void> attempt(const Work& work, Call call, std::uint64_t at, int error) {
    for (auto& uses : g_uses) {
        uses = 0;
    }
    g_error = error;
    g_at = at;
    g_call = call;
    Result<void> outcome;
    try {
        outcome = work();
    } catch (const std::bad_alloc&) {
        outcome = Error{Code::out_of_memory, "no memory"};
    } catch (const std::system_error& thrown) {
        outcome = Error{Code::out_of_memory, thrown.what()};
    }
    g_call = Call::count;
    return outcome;
}

}  // namespace

void fail_each_call(const Work& work, const std::vector<Code>& codes) {
    const auto succeeds = [&] { return attempt(work, Call::count, 0, 0).ok(); };
    std::thread([] {}).join();
    REQUIRE(succeeds());
    REQUIRE(no_other_thread());
    const Left before;
    REQUIRE(succeeds());
    REQUIRE(has_only(before));
    std::array<std::uint64_t, kCalls> uses{};
    std::copy(g_uses.begin(), g_uses.end(), uses.begin());
    std::size_t failures = 0;
    for (const Entry& entry : table()) {
        for (std::uint64_t at = 1; at <= uses.at(static_cast<std::size_t>(entry.call)); ++at) {
            for (const int error : entry.errors) {
                CAPTURE(std::string(entry.name));
                CAPTURE(at);
                CAPTURE(error);
                const auto outcome = attempt(work, entry.call, at, error);
                if (!outcome) {
                    CAPTURE(outcome.error().message);
                    CHECK(error != EINTR);
                    CHECK_FALSE(outcome.error().message.empty());
                    CHECK(std::find(codes.begin(), codes.end(), outcome.error().code) != codes.end());
                    ++failures;
                }
                REQUIRE(has_only(before));
                REQUIRE_FALSE(has_children());
            }
        }
    }
    CHECK(failures > 0);
    CHECK(succeeds());
}

}  // namespace callring::test
