#include "processes/supervisor.h"

#include <algorithm>
#include <array>
#include <exception>
#include <future>
#include <new>
#include <system_error>
#include <utility>

#include "common/clock.h"
#include "common/event.h"
#include "common/system_calls.h"
#include "common/system_error.h"
#include "common/tuning.h"
#include "control/channel.h"

namespace callring {

Result<std::unique_ptr<Supervisor>> Supervisor::create(int bell_event, Books& books, Hooks hooks) {
    UniqueFd epoll(sys::epoll_create1(EPOLL_CLOEXEC));
    UniqueFd sockets(sys::epoll_create1(EPOLL_CLOEXEC));
    UniqueFd command(sys::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!epoll.valid() || !sockets.valid() || !command.valid()) {
        return system_error("epoll_create1 or eventfd");
    }
    std::unique_ptr<Supervisor> made(
        new Supervisor(std::move(epoll), std::move(sockets), std::move(command), books, std::move(hooks)));
    for (const auto& [fd, source] :
         {std::pair(bell_event, Source::bell), std::pair(made->command_.get(), Source::command),
          std::pair(made->sockets_.get(), Source::sockets)}) {
        if (auto watched = made->watch(fd, source, 0); !watched) {
            return std::move(watched).error();
        }
    }
    try {
        made->start();
    } catch (const std::system_error& error) {
        return Error{Code::out_of_memory,
                     "no thread can be started: memory is short, or the limit of processes (ulimit -u) is reached: " +
                         std::string(error.what())};
    }
    return made;
}

Supervisor::Supervisor(UniqueFd epoll, UniqueFd sockets, UniqueFd command, Books& books, Hooks hooks)
    : epoll_(std::move(epoll)),
      sockets_(std::move(sockets)),
      command_(std::move(command)),
      books_(books),
      hooks_(std::move(hooks)) {
    books_.event = command_.get();
}

void Supervisor::start() {
    // Signals belong to the main thread: no handler may run on this thread.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        thread_ = sys::start_thread([this] {
            prepare_thread_to_throw();
            loop();
        });
    } catch (...) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    ::pthread_setname_np(thread_.native_handle(), "callring");
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Supervisor::stop() {
    if (thread_.joinable()) {
        post([this] { stopping_ = true; });
        thread_.join();
    }
}

Result<void> Supervisor::watch(int fd, Source source, Key key) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = (std::uint64_t{key} << 8U) | static_cast<std::uint64_t>(source);
    return sys::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? Result<void>() : system_error("epoll_ctl");
}

// Only EPOLL_CTL_ADD can fail.
bool Supervisor::listen(int operation, int socket, Key key, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    return sys::epoll_ctl(sockets_.get(), operation, socket, &event) == 0;
}

void Supervisor::hear(std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = static_cast<std::uint64_t>(Source::sockets);
    sys::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, sockets_.get(), &event);
}

void Supervisor::hear_sockets() const {
    hear(EPOLLIN);  // level-triggered: also reports messages that came meanwhile
}

void Supervisor::post(std::function<void()> work) {
    {
        const std::lock_guard lock(commands_mutex_);
        commands_.push_back(std::move(work));
    }
    raise_event(command_.get());
}

void Supervisor::run(std::function<void()> work) {
    std::promise<void> done;
    // Not in the promise: this thread shall be the last to refer to the exception. ThreadSanitizer does not see how
    // libstdc++ counts references to it.
    std::exception_ptr thrown;
    post([&] {
        try {
            work();
        } catch (...) {
            thrown = std::current_exception();
        }
        done.set_value();
    });
    done.get_future().get();
    if (thrown) {
        std::rethrow_exception(thrown);
    }
}

void Supervisor::run_commands() {
    clear_event(command_.get());
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
    const KeepsBooks keeps(books_);
    while (!stopping_) {
        try {
            look();
        } catch (const std::bad_alloc&) {
            books_.torn = true;
        }
        if (books_.torn) {
            hooks_.on_torn();
        }
    }
}

// Sleeps until an event or a deadline, and handles it.
void Supervisor::look() {
    std::array<epoll_event, 32> events;  // NOLINT(*-member-init): written by epoll_wait
    const int count = sys::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        const auto key = static_cast<Key>(event.data.u64 >> 8U);
        // The key has no entry if an earlier event of this loop finished the process.
        switch (static_cast<Source>(event.data.u64 & 0xFFU)) {
            case Source::bell:
                hooks_.on_bell();
                break;
            case Source::command:
                run_commands();
                break;
            case Source::sockets:
                take_messages();
                break;
            case Source::process:
                process_ended(key);
                break;
        }
    }
    expire_deadlines();
}

void Supervisor::take_messages() {
    std::array<epoll_event, 32> events;  // NOLINT(*-member-init): written by epoll_wait
    const int count = sys::epoll_wait(sockets_.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        const auto key = static_cast<Key>(event.data.u64);
        if ((event.events & EPOLLOUT) != 0 && watched_.contains(key) && hooks_.on_writable(key)) {
            listen(EPOLL_CTL_MOD, watched_.at(key).socket, key, EPOLLIN);
        }
        if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
            receive(key);
        }
    }
}

int Supervisor::timeout_ms() const {
    std::optional<std::uint64_t> next = hooks_.next_deadline();
    for (const auto& [key, watched] : watched_) {
        for (const auto& deadline : {watched.status_deadline, watched.end_deadline}) {
            if (deadline && (!next || *deadline < *next)) {
                next = deadline;
            }
        }
    }
    return poll_timeout_ms(next);
}

Result<void> Supervisor::watch_socket(Key key, int socket) {
    watched_[key].socket = socket;
    if (!listen(EPOLL_CTL_ADD, socket, key, EPOLLIN)) {
        Error error = system_error("epoll_ctl");
        watched_.erase(key);
        return error;
    }
    return {};
}

Result<void> Supervisor::watch_process(Key key, std::shared_ptr<const Process> process, bool direct) {
    if (auto watched = watch(process->pidfd(), Source::process, key); !watched) {
        return watched;
    }
    Watched& watched = watched_.at(key);
    watched.process = std::move(process);
    watched.direct = direct;
    return {};
}

void Supervisor::forget(Key key) {
    const Watched& watched = watched_.at(key);
    listen(EPOLL_CTL_DEL, watched.socket, key, 0);
    if (watched.process) {
        sys::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.process->pidfd(), nullptr);
    }
    watched_.erase(key);
}

void Supervisor::await_writable(Key key) {
    if (const auto entry = watched_.find(key); entry != watched_.end() && entry->second.receiving) {
        listen(EPOLL_CTL_MOD, entry->second.socket, key, EPOLLIN | EPOLLOUT);
    }
}

void Supervisor::receive(Key key) {
    const auto entry = watched_.find(key);
    if (entry == watched_.end() || !entry->second.receiving) {
        return;
    }
    const auto received = hooks_.on_readable(key);
    if (received) {
        return;
    }
    // The process closed its end or broke the protocol, so it cannot serve any more; the pidfd reports its death. A
    // child that ends normally closes its socket a moment before its end: it gets time to end.
    Watched& watched = entry->second;
    watched.receiving = false;
    listen(EPOLL_CTL_DEL, watched.socket, key, 0);
    if (received.error().code == Code::closed) {
        watched.end_deadline = now_ns() + tuning::kEndGraceNs;
    } else if (watched.process) {
        watched.process->kill(SIGKILL);
    }
}

void Supervisor::process_ended(Key key) {
    const auto entry = watched_.find(key);
    if (entry == watched_.end()) {
        return;
    }
    Watched& watched = entry->second;
    watched.process->end_group(watched.direct);
    if (watched.direct) {
        if (const auto status = watched.process->try_reap()) {
            finish(key, *status);
        }
    } else if (!watched.noted) {
        finish(key, ExitStatus{});
    } else {
        // The fork server reaps it and reports how it ended; without a report within kStatusGraceNs, the status stays
        // unknown.
        sys::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.process->pidfd(), nullptr);
        watched.status_deadline = now_ns() + tuning::kStatusGraceNs;
    }
}

void Supervisor::note_exit(Key key, const ExitStatus& status) {
    if (watched_.contains(key)) {
        finish(key, status);
    }
}

void Supervisor::lose_notes() {
    for (auto& [key, watched] : watched_) {
        watched.noted = false;
        if (watched.status_deadline) {
            watched.status_deadline = now_ns();
        }
    }
}

void Supervisor::expire_deadlines() {
    const std::uint64_t now = now_ns();
    std::vector<Key> unknown;
    for (auto& [key, watched] : watched_) {
        if (watched.end_deadline && now >= *watched.end_deadline) {
            watched.end_deadline.reset();
            if (watched.process) {
                watched.process->kill(SIGKILL);
            }
        }
        if (watched.status_deadline && now >= *watched.status_deadline) {
            unknown.push_back(key);
        }
    }
    for (const Key key : unknown) {
        finish(key, ExitStatus{});
    }
    if (const auto next = hooks_.next_deadline(); next && now >= *next) {
        hooks_.on_deadline();
    }
}

void Supervisor::finish(Key key, const ExitStatus& status) {
    const auto entry = watched_.find(key);
    const Watched watched = std::move(entry->second);
    watched_.erase(entry);
    if (watched.process) {
        sys::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.process->pidfd(), nullptr);
    }
    if (watched.receiving) {
        // Messages that it sent before its death count.
        static_cast<void>(hooks_.on_readable(key));
        listen(EPOLL_CTL_DEL, watched.socket, key, 0);
    }
    hooks_.on_exit(key, status);
}

}  // namespace callring
