// simulate: runs random programs of the scheduler until N events have happened, and reports what went wrong.
//
//   simulate [--corpus FOLDER] [--events N] [--seed S] [--steps M] [--jobs J] [--brief]
//   simulate --replay FILE
//
// The programs of the corpus come first. A program that goes wrong is shrunk, and printed with a remark on each of its
// steps; --replay runs such a program again. Each of J processes runs its own programs. Exit codes: 0, 1 (something
// went wrong), 2 (wrong use).
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulate/life.h"
#include "tests/simulate/shrink.h"

using namespace callring::simulate;

namespace {

constexpr std::size_t kTries = 3000;  // to shrink a program
constexpr unsigned kEndlessSeconds = 20;

struct Options {
    std::uint64_t events = 0;
    std::uint64_t seed = 1;
    std::size_t steps = 1200;
    std::uint64_t jobs = 1;
    std::string corpus;
    std::string replay;
    bool brief = false;  // do not shrink
};

// The part of a finding's text by which a shorter program's finding counts as the same.
std::string without_numbers(std::string what) {
    std::erase_if(what, [](char letter) { return letter >= '0' && letter <= '9'; });
    return what;
}

// In a separate process, as the program may crash.
void tell_all(const Program& program) {
    write(std::cout, {program.shape, {}});
    std::cout.flush();
    if (const pid_t pid = ::fork(); pid == 0) {
        ::alarm(kEndlessSeconds);
        tell(program, std::cout);
        ::_exit(0);
    } else {
        ::waitpid(pid, nullptr, 0);
    }
}

int replay(const std::filesystem::path& path) {
    std::ifstream file(path);
    const auto program = read(file);
    if (!program) {
        std::cerr << path.string() << " is no program\n";
        return 2;
    }
    const auto finding = live(*program);
    if (!finding) {
        return 0;
    }
    std::cout << path.string() << ": " << finding->what << "\n";
    tell_all(*program);
    return 1;
}

int replay_all(const std::string& folder) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".program") {
            paths.push_back(entry.path());
        }
    }
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) {
        if (const int code = replay(path); code != 0) {
            return code;
        }
    }
    std::cout << paths.size() << " programs of the corpus ran without an error" << '\n';
    return 0;
}

int search(const Options& options) {
    const auto begin = std::chrono::steady_clock::now();
    const Lives lives = live(options.seed, options.events, options.steps, options.jobs);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    rusage used{};
    ::getrusage(RUSAGE_CHILDREN, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + (static_cast<double>(time.tv_usec) / 1e6);
    };
    const double processor_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
    const Figures& figures = lives.figures;
    const auto events_in = [&](double span) {
        return static_cast<std::uint64_t>(static_cast<double>(figures.events) / span);
    };
    std::cout << figures.events << " events in " << lives.programs << " programs: " << figures.runs << " runs, "
              << figures.tasks << " tasks, " << figures.executions << " executions, " << figures.deaths << " deaths; "
              << events_in(elapsed.count()) << " events in a second, " << events_in(processor_seconds)
              << " in a second of one processor" << '\n';
    if (!lives.finding) {
        return 0;
    }
    std::cout << "seed " << lives.finding->seed << ", step " << lives.finding->step << ": " << lives.finding->what
              << '\n';
    if (options.brief) {
        return 1;
    }
    const Program program = generate(lives.finding->seed, options.steps);
    const std::string kind = without_numbers(lives.finding->what);
    const Program shrunk = shrink(program, kTries, [&kind](const Program& candidate) {
        const auto finding = live(candidate);
        return finding && without_numbers(finding->what) == kind;
    });
    std::cout << "# of " << program.steps.size() << " steps, " << shrunk.steps.size() << " are left\n";
    tell_all(shrunk);
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--brief") {
            options.brief = true;
            continue;
        }
        if (i + 1 == argc) {
            std::cerr << "simulate: " << word << " needs a value, or is unknown\n";
            return 2;
        }
        const char* value = argv[++i];
        if (word == "--events") {
            options.events = std::strtoull(value, nullptr, 10);
        } else if (word == "--seed") {
            options.seed = std::strtoull(value, nullptr, 10);
        } else if (word == "--steps") {
            options.steps = std::strtoull(value, nullptr, 10);
        } else if (word == "--jobs") {
            options.jobs = std::max<std::uint64_t>(1, std::strtoull(value, nullptr, 10));
        } else if (word == "--corpus") {
            options.corpus = value;
        } else if (word == "--replay") {
            options.replay = value;
        } else {
            std::cerr << "simulate: unknown option " << word << "\n";
            return 2;
        }
    }
    if (!options.replay.empty()) {
        return replay(options.replay);
    }
    const int code = options.corpus.empty() ? 0 : replay_all(options.corpus);
    return code != 0 || options.events == 0 ? code : search(options);
}
