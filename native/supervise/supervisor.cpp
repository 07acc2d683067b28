#include "supervise/supervisor.h"

#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX signal functions
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/clock.h"
#include "supervise/pump.h"

namespace callring {

namespace {
// How long the fork server may take to tell the exit status of a child that has ended.
constexpr std::uint64_t kStatusGraceNs = 200'000'000;
// How long a child that has closed its control socket may take to end.
constexpr std::uint64_t kEndGraceNs = 500'000'000;
}  // namespace

Result<std::unique_ptr<Supervisor>> Supervisor::create(int bell_event, Hooks hooks) {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    UniqueFd command(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!epoll.valid() || !command.valid()) {
        return Error{Code::io, std::string("epoll_create1 or eventfd: ") + std::strerror(errno)};
    }
    return std::unique_ptr<Supervisor>(
        new Supervisor(bell_event, std::move(epoll), std::move(command), std::move(hooks)));
}

Supervisor::Supervisor(int bell_event, UniqueFd epoll, UniqueFd command, Hooks hooks)
    : bell_event_(bell_event), epoll_(std::move(epoll)), command_(std::move(command)), hooks_(std::move(hooks)) {
    control(EPOLL_CTL_ADD, bell_event_, Source::bell, 0);
    control(EPOLL_CTL_ADD, command_.get(), Source::command, 0);
    // Signals are the main thread's business: this thread must never be the one that a handler runs on.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { loop(); });
    ::pthread_setname_np(thread_.native_handle(), "callring");
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Supervisor::~Supervisor() {
    post([this] { stopping_ = true; });
    thread_.join();
}

void Supervisor::control(int operation, int fd, Source source, std::uint32_t index) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = (std::uint64_t{index} << 8U) | static_cast<std::uint64_t>(source);
    ::epoll_ctl(epoll_.get(), operation, fd, &event);
}

void Supervisor::post(std::function<void()> work) {
    {
        const std::lock_guard lock(commands_mutex_);
        commands_.push_back(std::move(work));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(command_.get(), &one, sizeof one);
}

void Supervisor::run(std::function<void()> work) {
    std::promise<void> done;
    post([&] {
        work();
        done.set_value();
    });
    done.get_future().wait();
}

void Supervisor::run_commands() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto consumed = ::read(command_.get(), &count, sizeof count);
    std::vector<std::function<void()>> commands;
    {
        const std::lock_guard lock(commands_mutex_);
        commands.swap(commands_);
    }
    for (const auto& work : commands) {
        work();
    }
}

void Supervisor::loop() {
    std::array<epoll_event, 32> events;  // NOLINT(*-member-init): written by epoll_wait
    while (!stopping_) {
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
        for (int i = 0; i < count; ++i) {
            const std::uint64_t data = events.at(static_cast<std::size_t>(i)).data.u64;
            const auto index = static_cast<std::uint32_t>(data >> 8U);
            switch (static_cast<Source>(data & 0xFFU)) {
                case Source::bell:
                    hooks_.on_bell();
                    break;
                case Source::command:
                    run_commands();
                    break;
                case Source::socket:
                    receive(watched_.at(index));
                    break;
                case Source::process:
                    process_ended(watched_.at(index));
                    break;
            }
        }
        expire_deadlines();
    }
}

int Supervisor::timeout_ms() const {
    std::optional<std::uint64_t> next;
    for (const auto& [index, watched] : watched_) {
        for (const auto& deadline : {watched.status_deadline, watched.end_deadline}) {
            if (deadline && (!next || *deadline < *next)) {
                next = deadline;
            }
        }
    }
    return poll_timeout_ms(next);
}

Result<void> Supervisor::spawn(const ChildPtr& child, const std::vector<std::string>& argv,
                               const std::vector<std::string>& environment, int control_fd) {
    auto process = Process::spawn(argv, environment, control_fd);
    if (!process) {
        return std::move(process).error();
    }
    Watched& watched = watched_[child->index];
    watched.child = child;
    child->process = std::move(process).value();
    control(EPOLL_CTL_ADD, child->process.pidfd(), Source::process, child->index);
    return {};
}

void Supervisor::watch(const ChildPtr& child) {
    watched_[child->index].child = child;
    control(EPOLL_CTL_ADD, child->requests->channel().fd(), Source::socket, child->index);
}

void Supervisor::adopt(const ChildPtr& child, Process process) {
    Watched& watched = watched_[child->index];
    watched.child = child;
    watched.direct = false;
    child->process = std::move(process);
    if (watched.status) {
        finish(watched, *watched.status);  // it has died and been reaped already
    } else {
        control(EPOLL_CTL_ADD, child->process.pidfd(), Source::process, child->index);
    }
}

void Supervisor::receive(Watched& watched) {
    auto received = pump(*watched.child, [this](Message& notice) {
        std::int32_t status = 0;
        if (notice.body.size() == sizeof status) {
            std::memcpy(&status, notice.body.data(), sizeof status);
            note_exit(notice.header.argument, ExitStatus::from_wait_status(status));
        }
    });
    if (!received) {
        // It closed its end or speaks nonsense. Alive or not, it cannot serve any more; its death follows by pidfd. A
        // child that ends as it should closes its socket a moment before: it gets the time to do so.
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.child->requests->channel().fd(), nullptr);
        watched.child->requests->fail_all(received.error());
        if (received.error().code == Code::closed) {
            watched.end_deadline = now_ns() + kEndGraceNs;
        } else {
            watched.child->process.kill(SIGKILL);
        }
    }
}

void Supervisor::process_ended(Watched& watched) {
    if (watched.direct) {
        if (const auto status = watched.child->process.try_reap()) {
            finish(watched, *status);
        }
    } else if (watched.status) {
        finish(watched, *watched.status);
    } else {
        // The fork server reaps it and tells us how it ended; without that within the grace, we go on unknowing.
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.child->process.pidfd(), nullptr);
        watched.status_deadline = now_ns() + kStatusGraceNs;
    }
}

void Supervisor::note_exit(std::uint64_t child_index, const ExitStatus& status) {
    const auto entry = watched_.find(static_cast<std::uint32_t>(child_index));
    if (entry == watched_.end()) {
        return;
    }
    entry->second.status = status;
    if (entry->second.child->process.pidfd() >= 0) {
        finish(entry->second, status);
    }
}

void Supervisor::expire_deadlines() {
    for (auto& [index, watched] : watched_) {
        if (watched.end_deadline && now_ns() >= *watched.end_deadline) {
            watched.end_deadline.reset();
            watched.child->process.kill(SIGKILL);
        }
        if (watched.status_deadline && now_ns() >= *watched.status_deadline) {
            finish(watched, ExitStatus{});
        }
    }
}

void Supervisor::finish(Watched& watched, const ExitStatus& status) {
    watched.status_deadline.reset();
    watched.end_deadline.reset();
    if (std::exchange(watched.ended, true)) {
        return;
    }
    Child& child = *watched.child;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, child.process.pidfd(), nullptr);
    // What it still said before it died counts.
    static_cast<void>(pump(child));
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, child.requests->channel().fd(), nullptr);
    child.requests->fail_all(Error{Code::closed, child.name() + " " + status.describe()});
    hooks_.on_exit(child, status);
}

}  // namespace callring
