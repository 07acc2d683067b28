#include "tests/simulate/life.h"

#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <functional>
#include <new>
#include <ostream>
#include <stdexcept>
#include <vector>

#include "processes/die_with_parent.h"

namespace callring::simulate {

namespace {

// The number of steps between two checks of a program; a failed program runs again, checked after every step.
constexpr std::size_t kSeldom = 128;
// A step that takes this much of the processor's time will never end.
constexpr time_t kEndlessSeconds = 4;

// The report of the process that runs programs to the waiting process, in memory that both share.
struct Page {
    std::uint64_t seed;
    std::uint64_t step;
    std::uint64_t programs;
    Figures figures;
    std::array<char, 1024> what;
};

Page* page = nullptr;                  // of the process that runs programs
std::uint64_t seen_step = UINT64_MAX;  // when the timer last went off
std::uint64_t seen_programs = UINT64_MAX;

void say(const char* what) {
    std::strncpy(page->what.data(), what, page->what.size() - 1);
}

extern "C" void on_timer(int /*signal*/) {
    if (page->step == seen_step && page->programs == seen_programs) {
        say("a step does not end");
        ::_exit(1);
    }
    seen_step = page->step;
    seen_programs = page->programs;
}

void watch() {
    struct sigaction action{};
    action.sa_handler = on_timer;
    ::sigaction(SIGVTALRM, &action, nullptr);
    const itimerval every{{kEndlessSeconds, 0}, {kEndlessSeconds, 0}};
    ::setitimer(ITIMER_VIRTUAL, &every, nullptr);
}

// Runs `program`; true if nothing goes wrong.
bool live_here(const Program& program, std::size_t check_every) {
    page->step = 0;
    World world(program.shape, check_every);
    try {
        for (const Step& step : program.steps) {
            ++page->step;
            world.step(step);
        }
        ++page->step;
        world.settle();
        page->figures += world.figures();
        ++page->programs;
        return true;
    } catch (const std::exception& wrong) {
        say(wrong.what());
        page->figures += world.figures();
        ::_exit(1);  // no orderly end is possible any more
    }
}

// A process that runs programs.
struct Running {
    pid_t pid;
    Page* page;
};

Running start(const std::function<void()>& work) {
    void* shared = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        throw std::bad_alloc();
    }
    page = new (shared) Page{};
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        throw std::runtime_error("fork failed");
    }
    if (pid == 0) {
        if (!die_with_parent(parent)) {
            ::_exit(1);
        }
        watch();
        work();
        ::_exit(0);
    }
    return {pid, page};
}

Page finish(const Running& running) {
    int status = 0;
    while (::waitpid(running.pid, &status, 0) < 0 && errno == EINTR) {
    }
    page = running.page;
    if (WIFSIGNALED(status)) {
        say(("the process ends by signal " + std::to_string(WTERMSIG(status))).c_str());
    } else if (WEXITSTATUS(status) != 0 && page->what.front() == 0) {
        say("the process ends");
    }
    const Page result = *page;
    ::munmap(running.page, sizeof(Page));
    return result;
}

}  // namespace

Lives live(std::uint64_t seed, std::uint64_t events, std::size_t most_steps, std::uint64_t jobs) {
    std::vector<Running> all;
    for (std::uint64_t job = 0; job < jobs; ++job) {
        all.push_back(start([&, job] {
            const std::uint64_t share = (events + jobs - 1) / jobs;
            for (page->seed = seed + job; page->figures.events < share; page->seed += jobs) {
                if (!live_here(generate(page->seed, most_steps), kSeldom)) {
                    return;
                }
            }
        }));
    }
    Lives lives;
    for (const Running& running : all) {
        const Page told = finish(running);
        lives.figures += told.figures;
        lives.programs += told.programs;
        if (!lives.finding && told.what.front() != 0) {
            lives.finding = Finding{told.seed, told.step, told.what.data()};
        }
    }
    return lives;
}

std::optional<Finding> live(const Program& program) {
    if (program.shape.chips + program.shape.subs + program.shape.nodes == 0) {
        return std::nullopt;
    }
    const Page told = finish(start([&] { static_cast<void>(live_here(program, 1)); }));
    return told.what.front() == 0 ? std::nullopt : std::optional(Finding{0, told.step, told.what.data()});
}

void tell(const Program& program, std::ostream& out) {
    World world(program.shape, 1);
    world.tells = true;
    const auto tell_of = [&](const auto& work) {
        world.told.clear();
        try {
            work();
        } catch (const std::exception& wrong) {
            out << world.told << "\n# " << wrong.what() << '\n' << std::flush;
            return false;
        }
        out << world.told << '\n' << std::flush;
        return true;
    };
    for (const Step& step : program.steps) {
        out << name_of(step.op) << ' ' << step.choice << "  # " << std::flush;  // this step may be the last
        if (!tell_of([&] { world.step(step); })) {
            return;
        }
    }
    out << "# at the end: " << std::flush;
    static_cast<void>(tell_of([&] { world.settle(); }));
}

}  // namespace callring::simulate
