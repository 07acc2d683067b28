#include "engine/child_starter.h"

#include <array>
#include <charconv>
#include <csignal>
#include <utility>

#include "common/clock.h"
#include "control/start_body.h"
#include "processes/fork_servers.h"

namespace callring {

Result<void> ChildStarter::launch(const ChildPtr& child) {
    const bool is_chip = child->kind == ChildKind::chip;
    auto ends = Channel::pair();
    if (!ends) {
        return std::move(ends).error();
    }
    auto lane = ParentLane::create(shared_.options.lane_capacity,
                                   shared_.options.trace && is_chip ? shared_.options.span_capacity : 0);
    if (!lane) {
        return std::move(lane).error();
    }
    std::shared_ptr<const Process> process;
    if (is_chip) {
        auto spawned = Process::spawn(shared_.options.chip_program, shared_.options.environment, ends->second.fd());
        if (!spawned) {
            return std::move(spawned).error();
        }
        process = std::move(spawned).value();
    } else if (!shared_.fork_server) {  // changed on this thread only
        if (auto launched = launch_fork_server(); !launched) {
            return launched;
        }
    }

    const std::lock_guard lock(shared_.mutex);
    const Supervisor::Key key = next_key_++;
    auto requests = make_requests(key, std::move(ends->first));
    if (auto watched = watch(key, *requests, process); !watched) {
        return watched;
    }
    incarnations_[key] = child;
    if (child->lane) {
        waits_.keep(std::move(child->lane));
    }
    child->lane = std::move(lane).value();
    child->lane_view.store(child->lane.get(), std::memory_order_release);
    child->requests = std::move(requests);
    child->key = key;
    ++child->incarnation;
    child->completed_before = child->completed;
    child->restarts.started(now_ns());
    child->start_again_ns = 0;
    child->process = process;
    child->start_deadline_ns =
        shared_.started ? now_ns() + shared_.options.start_timeout_ns : shared_.start_deadline_ns;
    if (!process) {
        fork(child, ends->second);
    }
    send_start(child);
    if (shared_.closing) {
        child->kill(SIGKILL);
    }
    return {};
}

std::shared_ptr<Requests> ChildStarter::make_requests(Supervisor::Key key, Channel channel) {
    return std::make_shared<Requests>(std::move(channel), [this, key] {
        shared_.supervisor->post([this, key] { shared_.supervisor->await_writable(key); });
    });
}

// A process that the supervisor cannot watch is ended.
Result<void> ChildStarter::watch(Supervisor::Key key, const Requests& requests,
                                 const std::shared_ptr<const Process>& process) {
    auto watched = shared_.supervisor->watch_socket(key, requests.channel().fd());
    if (watched && process) {
        watched = shared_.supervisor->watch_process(key, process, true);
        if (!watched) {
            shared_.supervisor->forget(key);
        }
    }
    if (!watched && process) {
        process->end();
    }
    return watched;
}

Result<void> ChildStarter::launch_fork_server() {
    auto taken = ForkServers::of_this_process().take(shared_.options.fork_server_program, shared_.options.environment);
    if (!taken) {
        return std::move(taken).error();
    }
    // A new process inherits these streams; one that was kept has none.
    std::vector<int> descriptors;
    std::uint64_t given = 0;  // a bit for each: a program may have closed its streams
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
        if (sys::fcntl(stream, F_GETFD) >= 0) {
            given |= std::uint64_t{1} << static_cast<unsigned>(stream);
            descriptors.push_back(stream);
        }
    }
    for (const UniqueFd& descriptor : shared_.options.python_descriptors) {
        descriptors.push_back(descriptor.get());
    }
    // The socket is empty, so the message fits. If the process has died, the supervisor reports that.
    static_cast<void>(taken->control.send(header_of(Op::start, given), shared_.options.python_setup, descriptors, 0));
    const std::lock_guard lock(shared_.mutex);
    const Supervisor::Key key = next_key_++;
    auto server = std::make_shared<Child>();
    server->kind = ChildKind::fork_server;
    server->key = key;
    server->state = ChildState::ready;
    server->process = std::move(taken->process);
    server->requests = make_requests(key, std::move(taken->control));
    if (auto watched = watch(key, *server->requests, server->process); !watched) {
        return watched;
    }
    incarnations_[key] = server;
    shared_.fork_server = server;
    return {};
}

void ChildStarter::fork(const ChildPtr& child, const Channel& control) {
    std::vector<int> fds{control.fd()};
    if (child->setup) {
        fds.push_back(child->setup->fd());
    }
    shared_.fork_server->requests->post(
        header_of(Op::fork_child, child->key), std::to_string(child->start_deadline_ns), fds, child->start_deadline_ns,
        [this, child, key = child->key](Result<Message>& forked) { adopt(child, key, forked); });
}

// Takes the fork server's answer: the process of a child, or why there is none.
void ChildStarter::adopt(const ChildPtr& child, Supervisor::Key key, Result<Message>& forked) {
    if (!forked && forked.error().code == Code::timeout) {
        shared_.fork_server->condemn("it did not fork " + child->name() + " in time");
        return;  // the fork server dies, and that ends this request
    }
    pid_t pid = -1;
    UniqueFd pidfd;
    // Without an answer, the fork server has died.
    std::string why = forked                     ? forked->body
                      : forked.error().child_end ? "the fork server died meanwhile"
                                                 : forked.error().message;
    if (const auto arrived = forked ? forked->check_fds() : Result<void>(); !arrived) {
        why = arrived.error().message;  // the child's process ends when it finds its control socket closed
    } else if (forked && forked->code() == Code::ok) {
        std::from_chars(why.data(), why.data() + why.size(), pid);
        pidfd = forked->take_fd(0);
    }
    std::shared_ptr<const Process> process;
    if (pid > 0 && pidfd.valid()) {
        process = std::make_shared<const Process>(pid, std::move(pidfd));
        if (child->key != key || shared_.closing || !child->condemned.empty()) {
            process->kill(SIGKILL);
        }
        if (child->key != key) {
            return;
        }
        if (auto watched = shared_.supervisor->watch_process(key, process, false); !watched) {
            process->kill(SIGKILL);  // the fork server reaps it
            why = watched.error().message;
            process = nullptr;
        }
    }
    if (child->key != key) {
        return;
    }
    if (process) {
        child->process = std::move(process);
        note_if_ready(*child);
    } else {
        child->condemned = "could not be started: " + why;
        shared_.supervisor->post([this, key] { shared_.supervisor->note_exit(key, ExitStatus{}); });
    }
}

void ChildStarter::send_start(const ChildPtr& child) {
    const StartBody body{shared_.options.platform,
                         shared_.options.runtime,
                         shared_.options.cores_per_chip,
                         shared_.options.max_callables,
                         child->index,
                         shared_.broadcast->next()};
    const std::array<int, 5> fds{child->lane->fd(), shared_.bell->fd(), shared_.bell->event_fd(),
                                 shared_.broadcast->fd(), shared_.broadcast->event_fd()};
    // Only sub-workers receive notices: most callables of chips do not fit a notice, and a node answers only after the
    // children below it.
    child->hears_notices = child->kind == ChildKind::sub && child->index < kAudience;
    const std::span<const int> given(fds.data(), child->hears_notices ? fds.size() : 3);
    const std::uint64_t deadline = child->start_deadline_ns;
    child->requests->post(
        header_of(Op::start), body.encode(), given, deadline, [this, child, key = child->key](Result<Message>& answer) {
            if (child->key != key) {
                return;  // the child has died, and its end has the reason
            }
            if (!answer && answer.error().code == Code::timeout) {
                shared_.start_failed(*child, {Code::timeout, child->name() + " was not ready in time"});
            } else if (!answer) {
                shared_.start_failed(*child, answer.error());
            } else if (answer->code() != Code::ok) {
                shared_.start_failed(*child, {answer->code(), child->name() + ": " + answer->body});
            }
        });
    arenas_.map_all(child, deadline);
    registrar_.install_all(child, deadline);
}

void ChildStarter::install_refused(Child& child, const Callable& callable, const Error& error) {
    if (!shared_.started && !refusal_) {
        refusal_ = Refusal{callable.spec, child.name(), error};
    }
    shared_.start_failed(
        child, {error.code, child.name() + " cannot install callable " + callable.spec.label + ": " + error.message});
}

void ChildStarter::note_if_ready(Child& child) {
    if (child.state == ChildState::starting && child.requests && child.requests->unanswered() == 0 && child.process &&
        child.condemned.empty()) {
        child.state = ChildState::ready;
        child.start_deadline_ns = 0;
        shared_.scheduler.child_ready(child);
        shared_.changed.notify_all();
        waits_.after_progress();
    }
}

ChildPtr ChildStarter::find(Supervisor::Key key) const {
    const auto entry = incarnations_.find(key);
    return entry == incarnations_.end() ? nullptr : entry->second;
}

ChildPtr ChildStarter::take(Supervisor::Key key) {
    const auto entry = incarnations_.find(key);
    if (entry == incarnations_.end()) {
        return nullptr;
    }
    ChildPtr child = std::move(entry->second);
    incarnations_.erase(entry);
    return child;
}

}  // namespace callring
