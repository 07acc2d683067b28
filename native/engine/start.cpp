// Engine: its children becoming ready, for the first time or as replacements. All that a child needs is posted before
// it runs, in order (start, arenas, callables), and waits in its socket: it is ready when it has answered everything.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "control/start_body.h"
#include "engine/engine.h"

namespace callring {

Result<void> Engine::start(const std::vector<ChildSpec>& specs, std::uint64_t deadline_ns) {
    if (auto checked = check_memory(); !checked) {
        static_cast<void>(close(0));
        return checked;
    }
    start_deadline_ns_ = deadline_ns;
    supervisor_->run([&] {
        {
            const std::lock_guard lock(mutex_);
            for (const ChildSpec& spec : specs) {
                auto child = std::make_shared<Child>();
                child->index = static_cast<std::uint32_t>(scheduler_.children().size());
                child->kind = spec.kind;
                child->id = spec.id;
                child->setup = spec.setup;
                child->patience_ns = spec.patience_ns;
                child->restarts = RestartPolicy(options_.max_restarts, options_.restart_window_ns);
                scheduler_.add_child(std::move(child));
            }
            if (specs.size() >= std::thread::hardware_concurrency()) {
                bell_->share_cores();
                spin_ = AdaptiveSpin(Core::offered);
            }
        }
        // The fork server first: it imports while the chips start.
        if (std::any_of(specs.begin(), specs.end(),
                        [](const ChildSpec& spec) { return spec.kind != ChildKind::chip; })) {
            if (auto launched = launch_fork_server(); !launched) {
                const std::lock_guard lock(mutex_);
                start_error_ = std::move(launched).error();
                return;
            }
        }
        for (const ChildPtr& child : scheduler_.children()) {
            launch(child);
        }
    });
    Result<void> outcome;
    {
        std::unique_lock lock(mutex_);
        const auto& children = scheduler_.children();
        const auto not_ready = [&] {
            return std::find_if(children.begin(), children.end(),
                                [](const ChildPtr& child) { return child->state != ChildState::ready; });
        };
        const auto over = [&] { return start_error_ || closing_ || books_.torn || not_ready() == children.end(); };
        while (!over() && now_ns() < deadline_ns) {
            changed_.wait_for(lock, std::chrono::nanoseconds(deadline_ns - std::min(deadline_ns, now_ns())), over);
        }
        if (start_error_) {
            outcome = *start_error_;
        } else if (books_.torn) {
            outcome = Error{Code::out_of_memory, "no memory is left"};
        } else if (closing_) {
            outcome = Error{Code::closed, "the Worker was closed while it started"};
        } else if (not_ready() != children.end()) {
            outcome = Error{Code::timeout, (*not_ready())->name() + " was not ready in time"};
        }
        started_ = outcome.ok();
    }
    if (!outcome) {
        static_cast<void>(close(0));
    }
    return outcome;
}

std::optional<Refusal> Engine::refusal() {
    const std::lock_guard lock(mutex_);
    return refusal_;
}

void Engine::launch(const ChildPtr& child) {
    if (auto launched = launch_incarnation(child); !launched) {
        const std::lock_guard lock(mutex_);
        auto end = std::make_shared<ChildEnd>();
        end->child = child->name();
        end->reason = "could not be started: " + launched.error().message;
        child_died(child, std::move(end));
    }
}

Result<void> Engine::launch_incarnation(const ChildPtr& child) {
    const bool is_chip = child->kind == ChildKind::chip;
    auto ends = Channel::pair();
    if (!ends) {
        return std::move(ends).error();
    }
    auto lane = ParentLane::create(options_.lane_capacity, options_.trace && is_chip ? options_.span_capacity : 0);
    if (!lane) {
        return std::move(lane).error();
    }
    std::shared_ptr<const Process> process;
    if (is_chip) {
        auto spawned = Process::spawn(options_.chip_program, options_.environment, ends->second.fd());
        if (!spawned) {
            return std::move(spawned).error();
        }
        process = std::make_shared<const Process>(std::move(spawned).value());
    } else if (!fork_server_) {  // changed on this thread only
        if (auto launched = launch_fork_server(); !launched) {
            return launched;
        }
    }

    const std::lock_guard lock(mutex_);
    const Supervisor::Key key = next_key_++;
    auto requests = make_requests(key, std::move(ends->first));
    if (auto watched = watch(key, *requests, process); !watched) {
        return watched;
    }
    incarnations_[key] = child;
    if (child->lane) {
        old_lanes_.push_back(std::move(child->lane));
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
    child->start_deadline_ns = started_ ? now_ns() + options_.start_timeout_ns : start_deadline_ns_;
    if (!process) {
        fork(child, ends->second);
    }
    introduce(child);
    if (closing_) {
        child->kill(SIGKILL);
    }
    return {};
}

std::shared_ptr<Requests> Engine::make_requests(Supervisor::Key key, Channel channel) {
    return std::make_shared<Requests>(
        std::move(channel), [this, key] { supervisor_->post([this, key] { supervisor_->await_writable(key); }); });
}

// A process that cannot be watched is ended.
Result<void> Engine::watch(Supervisor::Key key, const Requests& requests,
                           const std::shared_ptr<const Process>& process) {
    auto watched = supervisor_->watch_socket(key, requests.channel().fd());
    if (watched && process) {
        watched = supervisor_->watch_process(key, process, true);
        if (!watched) {
            supervisor_->forget(key);
        }
    }
    if (!watched && process) {
        process->end();
    }
    return watched;
}

Result<void> Engine::launch_fork_server() {
    auto ends = Channel::pair();
    if (!ends) {
        return std::move(ends).error();
    }
    auto spawned = Process::spawn(options_.fork_server_program, options_.environment, ends->second.fd());
    if (!spawned) {
        return std::move(spawned).error();
    }
    std::vector<int> descriptors;
    descriptors.reserve(options_.python_descriptors.size());
    for (const UniqueFd& descriptor : options_.python_descriptors) {
        descriptors.push_back(descriptor.get());
    }
    // It fits the socket, in which nothing is yet; if the process is gone, its end tells.
    static_cast<void>(ends->first.send(header_of(Op::start), options_.python_setup, descriptors, 0));
    const std::lock_guard lock(mutex_);
    const Supervisor::Key key = next_key_++;
    auto server = std::make_shared<Child>();
    server->kind = ChildKind::fork_server;
    server->key = key;
    server->state = ChildState::ready;
    server->process = std::make_shared<const Process>(std::move(spawned).value());
    server->requests = make_requests(key, std::move(ends->first));
    if (auto watched = watch(key, *server->requests, server->process); !watched) {
        return watched;
    }
    incarnations_[key] = server;
    fork_server_ = server;
    return {};
}

void Engine::fork(const ChildPtr& child, const Channel& control) {
    std::vector<int> fds{control.fd()};
    if (child->setup) {
        fds.push_back(child->setup->fd());
    }
    fork_server_->requests->post(
        header_of(Op::fork_child, child->key), std::to_string(child->start_deadline_ns), fds, child->start_deadline_ns,
        [this, child, key = child->key](Result<Message>& forked) { adopt(child, key, forked); });
}

// The fork server has forked the process of a child, or could not.
void Engine::adopt(const ChildPtr& child, Supervisor::Key key, Result<Message>& forked) {
    if (!forked && forked.error().code == Code::timeout) {
        condemn(*fork_server_, "it did not fork " + child->name() + " in time");
        return;  // its end ends this request
    }
    pid_t pid = -1;
    UniqueFd pidfd;
    // Without an answer, the fork server has died.
    std::string why = forked                     ? forked->body
                      : forked.error().child_end ? "the fork server died meanwhile"
                                                 : forked.error().message;
    if (const auto arrived = forked ? forked->check_fds() : Result<void>(); !arrived) {
        why = arrived.error().message;  // its process ends when it finds its control socket closed
    } else if (forked && forked->code() == Code::ok) {
        std::from_chars(why.data(), why.data() + why.size(), pid);
        pidfd = forked->take_fd(0);
    }
    std::shared_ptr<const Process> process;
    if (pid > 0 && pidfd.valid()) {
        process = std::make_shared<const Process>(pid, std::move(pidfd));
        if (child->key != key || closing_ || !child->condemned.empty()) {
            process->kill(SIGKILL);
        }
        if (child->key != key) {
            return;
        }
        if (auto watched = supervisor_->watch_process(key, process, false); !watched) {
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
        supervisor_->post([this, key] { supervisor_->note_exit(key, ExitStatus{}); });
    }
}

void Engine::introduce(const ChildPtr& child) {
    const StartBody body{options_.platform,      options_.runtime, options_.cores_per_chip,
                         options_.max_callables, child->index,     broadcast_->next()};
    const std::array<int, 5> fds{child->lane->fd(), bell_->fd(), bell_->event_fd(), broadcast_->fd(),
                                 broadcast_->event_fd()};
    // Chips' callables mostly do not fit a notice, and a node answers when those below it have.
    child->hears_notices = child->kind == ChildKind::sub && child->index < kAudience;
    const std::span<const int> given(fds.data(), child->hears_notices ? fds.size() : 3);
    const std::uint64_t deadline = child->start_deadline_ns;
    child->requests->post(header_of(Op::start), body.encode(), given, deadline,
                          [this, child, key = child->key](Result<Message>& answer) {
                              if (child->key != key) {
                                  return;  // it died, and its death says why
                              }
                              if (!answer && answer.error().code == Code::timeout) {
                                  start_failed(*child, {Code::timeout, child->name() + " was not ready in time"});
                              } else if (!answer) {
                                  start_failed(*child, answer.error());
                              } else if (answer->code() != Code::ok) {
                                  start_failed(*child, {answer->code(), child->name() + ": " + answer->body});
                              }
                          });
    for (const auto& arena : arenas_) {
        post_arena(child, *arena, deadline, nullptr);
    }
    registrar_.install_all(child, deadline);
}

void Engine::install_refused(Child& child, const Callable& callable, const Error& error) {
    if (!started_ && !refusal_) {
        refusal_ = Refusal{callable.spec, child.name(), error};
    }
    start_failed(child,
                 {error.code, child.name() + " cannot install callable " + callable.spec.label + ": " + error.message});
}

void Engine::start_failed(Child& child, const Error& error) {
    if (!started_ && !start_error_) {
        start_error_ = error;
        changed_.notify_all();
    }
    condemn(child, error.message);
}

void Engine::note_if_ready(Child& child) {
    if (child.state == ChildState::starting && child.requests && child.requests->unanswered() == 0 && child.process &&
        child.condemned.empty()) {
        child.state = ChildState::ready;
        child.start_deadline_ns = 0;
        scheduler_.child_ready(child);
        changed_.notify_all();
        after_progress();
    }
}

}  // namespace callring
