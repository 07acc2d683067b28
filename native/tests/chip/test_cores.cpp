// Cores: launches of plain functions, in one process without a blob.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <deque>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "chip/block_at_work.h"
#include "chip/cores.h"
#include "tests/soon.h"

using namespace callring;
using chip::Cores;
using chip::Launch;
using test::soon;

namespace {

constexpr std::size_t kScratch = 65536;

// What the blocks of one launch note; each launch has it as its scalar.
struct Note {
    std::array<std::atomic<int>, 128> runs{};  // by block
    std::atomic<std::uint32_t> ended{0};       // blocks
    std::atomic<bool> wrong{false};
    std::uint32_t fails_at = UINT32_MAX;
    std::vector<const Note*> after;  // the launches that must have ended before
    std::uint32_t blocks = 1;
};

Note& note_of(const callring_args* args) {
    return *reinterpret_cast<Note*>(args->scalars[0]);
}

int run_and_note(const callring_block* block, const callring_args* args) {
    Note& note = note_of(args);
    note.runs.at(block->index).fetch_add(1);
    const bool early = std::any_of(note.after.begin(), note.after.end(),
                                   [](const Note* before) { return before->ended.load() != before->blocks; });
    if (early || block->count != note.blocks || block->reserved != 0) {
        note.wrong = true;
    }
    note.ended.fetch_add(1);
    return block->index == note.fails_at ? 40 + static_cast<int>(block->index) : 0;
}

// Writes all of its scratch memory, lets other blocks run, and checks it.
int use_scratch(const callring_block* block, const callring_args* args) {
    Note& note = note_of(args);
    auto* const scratch = static_cast<unsigned char*>(block->scratch);
    if (reinterpret_cast<std::uintptr_t>(scratch) % 64 != 0 || block->scratch_bytes != kScratch) {
        note.wrong = true;
        return 0;
    }
    const auto mark = static_cast<unsigned char>(block->index + 1);
    std::memset(scratch, mark, kScratch);
    std::this_thread::yield();
    if (std::any_of(scratch, scratch + kScratch, [&](unsigned char byte) { return byte != mark; })) {
        note.wrong = true;
    }
    note.ended.fetch_add(1);
    return 0;
}

// Waits until every block of the launch runs: each on a core of its own.
int meet(const callring_block* block, const callring_args* args) {
    Note& note = note_of(args);
    note.runs.at(block->core).fetch_add(1);
    note.ended.fetch_add(1);
    while (note.ended.load() < block->count) {
        std::this_thread::yield();
    }
    return 0;
}

// As `meet`; a block that does not run on the thread that waits checks the signals of its thread.
int check_signals(const callring_block* block, const callring_args* args) {
    meet(block, args);
    if (block->core != 0) {
        sigset_t blocked;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        const auto has = [&](int signal) { return ::sigismember(&blocked, signal) == 1; };
        const bool right = has(SIGINT) && has(SIGTERM) && has(SIGUSR1) && has(SIGCHLD) && !has(SIGSEGV) &&
                           !has(SIGBUS) && !has(SIGFPE) && !has(SIGILL) && !has(SIGABRT) && !has(SIGTRAP);
        note_of(args).wrong = !right;
    }
    return 0;
}

int check_block_at_work(const callring_block* block, const callring_args* args) {
    const chip::BlockAtWork at = chip::block_at_work;
    if (at.kernel == nullptr || std::string(at.kernel) != "named" || at.block != block->index) {
        note_of(args).wrong = true;
    }
    return 0;
}

// Launches with their notes, which live as long as this.
class Launches {
public:
    explicit Launches(std::uint32_t count) : cores(count, kScratch) {}

    std::size_t add(callring_kernel_fn kernel, std::uint32_t blocks, const std::vector<std::size_t>& after = {},
                    std::uint32_t fails_at = UINT32_MAX, bool traced = false) {
        Note& note = notes_.emplace_back();
        note.blocks = blocks;
        note.fails_at = fails_at;
        std::vector<Launch*> earlier;
        for (const std::size_t index : after) {
            note.after.push_back(&notes_[index]);
            earlier.push_back(&launches_[index]);
        }
        Launch& launch = launches_.emplace_back();
        launch.id = launches_.size() - 1;
        launch.kernel = kernel;
        launch.name = "named";
        launch.func_id = 17;
        launch.blocks = blocks;
        launch.scalars = {reinterpret_cast<std::uint64_t>(&note)};
        cores.submit(launch, earlier, traced);
        return launches_.size() - 1;
    }
    [[nodiscard]] const Note& note(std::size_t index) const { return notes_[index]; }
    [[nodiscard]] const Launch& launch(std::size_t index) const { return launches_[index]; }
    // Whether each block of the launch ran once, after the launches before it.
    [[nodiscard]] bool ran(std::size_t index) const {
        const Note& of = notes_[index];
        const auto end = of.runs.begin() + of.blocks;
        return !of.wrong.load() && std::all_of(of.runs.begin(), end, [](const auto& runs) { return runs == 1; }) &&
               std::all_of(end, of.runs.end(), [](const auto& runs) { return runs == 0; });
    }

    Cores cores;

private:
    std::deque<Note> notes_;
    std::deque<Launch> launches_;
};

#ifndef __SANITIZE_THREAD__
int count_threads() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("Threads:", 0) == 0) {
            return std::stoi(line.substr(8));
        }
    }
    return 0;
}

// Whether this process has `count` threads. A joined thread is counted until the kernel has removed it, a moment later.
bool has_threads(int count) {
    return soon([count] { return count_threads() == count; });
}
#endif

}  // namespace

#ifndef __SANITIZE_THREAD__  // which has a thread of its own
TEST_CASE("a chip of n cores has n - 1 threads, which end with it") {
    const int before = count_threads();
    for (const std::uint32_t count : {1U, 2U, 5U}) {
        const Cores cores(count, kScratch);
        CHECK(cores.count() == count);
        CHECK(has_threads(before + static_cast<int>(count) - 1));
    }
    CHECK(has_threads(before));
}
#endif

TEST_CASE("each block of a launch runs once, for any number of blocks and cores") {
    for (const std::uint32_t cores : {1U, 2U, 4U}) {
        Launches launches(cores);
        for (const std::uint32_t blocks : {1U, 2U, 3U, 4U, 5U, 31U, 128U}) {
            const std::size_t launch = launches.add(run_and_note, blocks);
            CHECK_FALSE(launches.cores.finish());
            CHECK(launches.ran(launch));
        }
    }
}

TEST_CASE("the scratch memory of a block is its own while it runs") {
    Launches launches(3);
    for (int round = 0; round < 5; ++round) {
        const std::size_t launch = launches.add(use_scratch, 12);
        CHECK_FALSE(launches.cores.finish());
        CHECK(launches.note(launch).ended == 12);
        CHECK_FALSE(launches.note(launch).wrong.load());
    }
}

TEST_CASE("blocks spread over all cores, the thread that waits among them") {
    Launches launches(4);
    for (int round = 0; round < 10; ++round) {
        const std::size_t launch = launches.add(meet, 4);
        CHECK_FALSE(launches.cores.finish());
        for (std::size_t core = 0; core < 4; ++core) {
            CHECK(launches.note(launch).runs.at(core) == 1);
        }
    }
}

TEST_CASE("core threads block every signal, except those by which a crash ends the process") {
    Launches launches(2);
    const std::size_t launch = launches.add(check_signals, 2);
    CHECK_FALSE(launches.cores.finish());
    CHECK_FALSE(launches.note(launch).wrong.load());
}

TEST_CASE("a crash handler can see the kernel and the block that a thread executes, and that it executes none") {
    Launches launches(2);
    const std::size_t launch = launches.add(check_block_at_work, 20);
    CHECK_FALSE(launches.cores.finish());
    CHECK_FALSE(launches.note(launch).wrong.load());
    CHECK(chip::block_at_work.kernel == nullptr);
}

TEST_CASE("random launches run after all that they depend on, also if some of these have ended already") {
    for (std::uint32_t seed = 0; seed < 30; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        Launches launches(1 + static_cast<std::uint32_t>(random() % 4));
        for (std::size_t i = 0; i < 60; ++i) {
            std::vector<std::size_t> after;
            for (std::size_t count = random() % 4; i > 0 && count > 0; --count) {
                const std::size_t earlier = random() % i;
                if (std::find(after.begin(), after.end(), earlier) == after.end()) {
                    after.push_back(earlier);
                }
            }
            launches.add(run_and_note, 1 + static_cast<std::uint32_t>(random() % 6), after);
            if (random() % 16 == 0) {
                CHECK_FALSE(launches.cores.finish());
            }
        }
        CHECK_FALSE(launches.cores.finish());
        for (std::size_t i = 0; i < 60; ++i) {
            CAPTURE(i);
            REQUIRE(launches.ran(i));
            REQUIRE(launches.launch(i).done);
        }
    }
}

TEST_CASE("the first failure is reported once, and launches and blocks that had not begun do not run") {
    Launches launches(1);  // one core: the order of the blocks is known
    const std::size_t before = launches.add(run_and_note, 3);
    const std::size_t failing = launches.add(run_and_note, 6, {}, 2);
    const std::size_t behind = launches.add(run_and_note, 2, {failing}, 0);
    const std::size_t apart = launches.add(run_and_note, 1);
    const auto failure = launches.cores.finish();
    REQUIRE(failure);
    CHECK(failure->code == 42);
    CHECK(failure->kernel == "named");
    CHECK(failure->block == 2);
    CHECK(failure->message.empty());
    CHECK(launches.ran(before));
    CHECK(launches.note(failing).ended == 3);  // its blocks 0, 1 and 2
    CHECK(launches.note(behind).ended == 0);
    CHECK(launches.note(apart).ended == 0);
    CHECK_FALSE(launches.cores.finish());
    const std::size_t later = launches.add(run_and_note, 4, {failing, behind});
    CHECK_FALSE(launches.cores.finish());
    CHECK(launches.note(later).ended == 4);
}

TEST_CASE("a failure on any of several cores ends the call, and no launch is left over") {
    for (std::uint32_t block = 0; block < 12; ++block) {
        Launches launches(3);
        const std::size_t failing = launches.add(run_and_note, 12, {}, block);
        const std::size_t behind = launches.add(run_and_note, 5, {failing});
        const auto failure = launches.cores.finish();
        REQUIRE(failure);
        CHECK(failure->block == block);
        CHECK(failure->code == 40 + static_cast<int>(block));
        CHECK(launches.launch(behind).done);
        CHECK(launches.note(behind).ended == 0);
    }
}

TEST_CASE("a traced launch has a span for each core that worked on it, and a launch after it has later spans") {
    Launches launches(3);
    const std::size_t first = launches.add(meet, 3, {}, UINT32_MAX, true);
    const std::size_t second = launches.add(run_and_note, 1, {first}, UINT32_MAX, true);
    const std::size_t untraced = launches.add(run_and_note, 1);
    CHECK_FALSE(launches.cores.finish());
    const auto& spans = launches.launch(first).spans;
    REQUIRE(spans.size() == 3);
    std::uint64_t last = 0;
    for (std::uint32_t core = 0; core < 3; ++core) {
        CHECK(spans[core].core == core);
        CHECK(spans[core].func_id == 17);
        CHECK(spans[core].begin_ns > 0);
        CHECK(spans[core].begin_ns <= spans[core].end_ns);
        last = std::max(last, spans[core].end_ns);
    }
    const auto& later = launches.launch(second).spans;
    const auto worked = [](const chip::CoreSpan& span) { return span.begin_ns != 0; };
    CHECK(std::count_if(later.begin(), later.end(), worked) == 1);
    CHECK(std::find_if(later.begin(), later.end(), worked)->begin_ns >= last);
    CHECK(launches.launch(untraced).spans.empty());
}

TEST_CASE("a block that runs alone is the only one, on core 0, and its code and span are returned") {
    Cores cores(2, kScratch);
    Note note;
    const auto scalar = reinterpret_cast<std::uint64_t>(&note);
    const callring_args args{nullptr, &scalar, 0, 1};
    CHECK(cores.run_alone(run_and_note, "named", 5, args, nullptr) == 0);
    CHECK(cores.run_alone(check_block_at_work, "named", 5, args, nullptr) == 0);
    CHECK(cores.run_alone(use_scratch, "named", 5, args, nullptr) == 0);
    note.fails_at = 0;
    chip::CoreSpan span{9, 9, 0, 0};
    CHECK(cores.run_alone(run_and_note, "named", 5, args, &span) == 40);
    CHECK(span.core == 0);
    CHECK(span.func_id == 5);
    CHECK((span.begin_ns > 0 && span.begin_ns <= span.end_ns));
    CHECK_FALSE(note.wrong.load());
    CHECK(note.runs[0] == 2);
    CHECK(chip::block_at_work.kernel == nullptr);
    CHECK_FALSE(cores.finish());  // it is not reported a second time
}

TEST_CASE("waiting without a launch returns at once") {
    Cores cores(2, kScratch);
    CHECK_FALSE(cores.finish());
    CHECK_FALSE(cores.finish());
}
