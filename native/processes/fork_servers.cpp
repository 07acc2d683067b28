#include "processes/fork_servers.h"

#include <poll.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <new>
#include <sstream>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/system_calls.h"
#include "common/tuning.h"
#include "memory/reserve.h"

namespace callring {

namespace {

std::string text_of(const char* path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return std::move(text).str();
}

// What a process that this thread starts inherits, apart from descriptors and environment; empty if it is unknown.
std::string circumstances() {
    std::error_code none;
    const std::string place = std::filesystem::read_symlink("/proc/thread-self/cwd", none).string();
    const std::string limits = text_of("/proc/thread-self/limits");
    std::istringstream status(text_of("/proc/thread-self/status"));
    if (place.empty() || limits.empty() || status.view().empty()) {
        return {};
    }
    std::string found =
        place + "\n" + limits + text_of("/proc/thread-self/cgroup") + text_of("/proc/thread-self/oom_score_adj");
    constexpr std::array<std::string_view, 13> kInherited{
        "Umask:",  "Uid:",    "Gid:",        "Groups:",  "CapInh:",       "CapPrm:",      "CapEff:",
        "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Cpus_allowed:", "Mems_allowed:"};
    for (std::string line; std::getline(status, line);) {
        for (const std::string_view name : kInherited) {
            if (line.starts_with(name)) {
                found += line + "\n";
            }
        }
    }
    for (const int number : {::getpriority(PRIO_PROCESS, 0), ::sched_getscheduler(0), ::getsid(0)}) {
        found += std::to_string(number) + " ";
    }
    // The buffering of standard streams depends on it.
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
        found += ::isatty(stream) == 1 ? " terminal" : " other";
    }
    return found;
}

// False after `milliseconds`; -1: no limit.
bool wait_for_end(const Process& process, int milliseconds) {
    pollfd end{process.pidfd(), POLLIN, 0};
    int ended = 0;
    do {
        ended = sys::poll(&end, 1, milliseconds);
    } while (ended < 0);  // a signal, or no memory at this moment
    return ended != 0;
}

// Whether a fork server rests: it has given up all that it had of a Worker. Its answer is its last message until it
// serves again; other messages, about children that have ended, are dropped.
bool rests(const Channel& control, std::uint64_t deadline_ns) {
    if (!control.send(header_of(Op::rest), {}, {}, deadline_ns)) {
        return false;
    }
    for (;;) {
        const auto message = control.receive(deadline_ns);
        if (!message || message->op() == Op::rest) {
            return message.ok();
        }
    }
}

}  // namespace

ForkServers& ForkServers::of_this_process() {
    static std::atomic<ForkServers*> current{nullptr};
    ForkServers* found = current.load(std::memory_order_acquire);
    while (found == nullptr || found->owner_ != ::getpid()) {
        // In a forked process, the parent's is left as it is: its mutex may be held, and its fork server is the
        // parent's. Never destroyed: threads use it until the process ends.
        auto made = std::unique_ptr<ForkServers>(new ForkServers(::getpid()));
        if (current.compare_exchange_strong(found, made.get(), std::memory_order_acq_rel)) {
            found = made.release();
        }
    }
    return *found;
}

Result<ForkServers::Server> ForkServers::take(const std::vector<std::string>& argv,
                                              const std::vector<std::string>& environment) {
    Program program{argv, environment, circumstances()};
    std::optional<Server> other;
    bool same = false;
    {
        const std::lock_guard lock(mutex_);
        other = std::exchange(kept_, std::nullopt);
        same = other && !program.circumstances.empty() && programs_.at(other->process.get()) == program;
    }
    if (other) {
        // One that was killed or stopped while it rested would fail the Worker's start.
        if (same && rests(other->control, now_ns() + tuning::kRestAnswerNs)) {
            return std::move(*other);
        }
        end(*other->process);
    }
    return start(std::move(program));
}

// The kernel kills a fork server with the thread that started it. So each has a thread, which ends with it: a thread
// that lives longer than any Worker, and that inherits what this thread would give to its children.
Result<ForkServers::Server> ForkServers::start(Program program) {
    auto ends = Channel::pair();
    if (!ends) {
        return std::move(ends).error();
    }
    using Started = std::promise<Result<std::shared_ptr<const Process>>>;
    const auto promise = std::make_shared<Started>();  // the thread still uses it when this one goes on
    auto started = promise->get_future();
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        sys::start_thread([this, promise, &program, control = ends->second.fd()] {
            prepare_thread_to_throw();
            std::shared_ptr<const Process> process;
            try {
                auto spawned = Process::spawn(program.argv, program.environment, control);
                if (!spawned) {
                    promise->set_value(std::move(spawned).error());
                    return;
                }
                process = std::move(spawned).value();
                const std::lock_guard lock(mutex_);
                programs_.emplace(process.get(), std::move(program));
            } catch (const std::bad_alloc&) {
                if (process) {
                    end(*process);
                }
                promise->set_value(Error{Code::out_of_memory, "no memory is left to start the fork server"});
                return;
            }
            promise->set_value(process);
            watch(process);
        }).detach();
    } catch (const std::system_error& error) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return Error{Code::out_of_memory,
                     "no thread can be started, for want of memory or by the limit of processes (ulimit -u): " +
                         std::string(error.what())};
    } catch (...) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    auto process = started.get();
    if (!process) {
        return std::move(process).error();
    }
    return Server{std::move(process).value(), std::move(ends->first)};
}

// Waits until a fork server has ended, and reaps it if it was kept; otherwise its Worker does.
void ForkServers::watch(const std::shared_ptr<const Process>& process) {
    static_cast<void>(wait_for_end(*process, -1));
    const std::lock_guard lock(mutex_);
    programs_.erase(process.get());
    if (kept_ && kept_->process == process) {
        process->end();
        kept_.reset();
    }
}

bool ForkServers::keep(Server server, std::uint64_t deadline_ns) {
    const bool rested = rests(server.control, deadline_ns);
    {
        const std::lock_guard lock(mutex_);
        if (rested && !kept_ && !over_ && !wait_for_end(*server.process, 0)) {
            kept_ = std::move(server);
            return true;
        }
    }
    end(*server.process);
    return rested;
}

bool ForkServers::keeps() {
    const std::lock_guard lock(mutex_);
    return !over_;
}

void ForkServers::end(const Process& server) {
    server.kill(SIGKILL);
    if (wait_for_end(server, static_cast<int>(tuning::kKillGraceNs / 1'000'000))) {
        server.end();  // reaps it; try_reap() may come a moment too early although poll() has seen the end
    }
}

void ForkServers::end(bool for_good) {
    std::optional<Server> last;
    {
        const std::lock_guard lock(mutex_);
        over_ = over_ || for_good;
        last = std::exchange(kept_, std::nullopt);
    }
    if (last) {
        end(*last->process);
    }
}

}  // namespace callring
