// Engine: its children: starting them, registering callables with them, their deaths, closing.
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX signal numbers

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "control/start_body.h"
#include "schedule/engine.h"

namespace callring {

namespace {
constexpr std::uint32_t kForkServerIndex = 0xFFFFFF;
// With a core for everybody a waiter spins long enough to catch a short task; otherwise spinning only takes the core
// away from whom it waits for.
constexpr std::uint64_t kSpinAloneNs = 20'000;
constexpr std::uint64_t kSpinCrowdedNs = 2'000;
// How long a child may take to die of SIGKILL before close() gives up waiting for it.
constexpr std::uint64_t kKillGraceNs = 5'000'000'000;

MessageHeader header_of(Op op, std::uint64_t argument = 0) {
    MessageHeader header;
    header.op = static_cast<std::uint32_t>(op);
    header.argument = argument;
    return header;
}

MessageHeader callable_header(Op op, const Callable& callable) {
    MessageHeader header = header_of(op);
    header.kind = callable.kind;
    header.digest = callable.digest;
    return header;
}
}  // namespace

// ---- starting -------------------------------------------------------------------------------------------------------

Result<void> Engine::start(const std::vector<ChildSpec>& specs, std::uint64_t deadline_ns) {
    spin_ns_ = specs.size() < std::thread::hardware_concurrency() ? kSpinAloneNs : kSpinCrowdedNs;
    pool_->set_new_arena_hook([this](const Arena& arena) { return map_arena(arena); });
    Result<void> launched;
    supervisor_->run([&] { launched = launch(specs); });
    if (launched) {
        launched = adopt_forked(deadline_ns);
    }
    if (launched) {
        launched = await_ready(deadline_ns);
    }
    if (!launched) {
        static_cast<void>(close(0));
    }
    return launched;
}

Result<void> Engine::launch(const std::vector<ChildSpec>& specs) {
    // The fork server first: it imports while the chips start.
    const bool forks =
        std::any_of(specs.begin(), specs.end(), [](const ChildSpec& spec) { return spec.kind == ChildKind::sub; });
    if (forks) {
        if (auto launched = launch_fork_server(); !launched) {
            return launched;
        }
    }
    for (const ChildSpec& spec : specs) {
        if (auto launched = launch_child(spec); !launched) {
            return launched;
        }
    }
    return {};
}

Result<void> Engine::launch_fork_server() {
    auto ends = Channel::pair();
    if (!ends) {
        return std::move(ends).error();
    }
    auto server = std::make_shared<Child>();
    server->index = kForkServerIndex;
    server->kind = ChildKind::fork_server;
    server->requests = std::make_unique<Requests>(std::move(ends->first));
    auto spawned = supervisor_->spawn(server, options_.fork_server_program, options_.environment, ends->second.fd());
    if (!spawned) {
        return spawned;
    }
    fork_server_ = server;
    supervisor_->watch(server);
    return server->requests->tell(header_of(Op::start), options_.python_setup, {},
                                  now_ns() + options_.control_timeout_ns);
}

Result<void> Engine::launch_child(ChildSpec spec) {
    auto ends = Channel::pair();
    if (!ends) {
        return std::move(ends).error();
    }
    const bool is_chip = spec.kind == ChildKind::chip;
    auto lane =
        ParentLane::create(options_.lane_capacity, options_.trace && is_chip ? options_.span_capacity : 0, spin_ns_);
    if (!lane) {
        return std::move(lane).error();
    }
    auto child = std::make_shared<Child>();
    child->index = static_cast<std::uint32_t>(scheduler_.children().size());
    child->kind = spec.kind;
    child->id = spec.id;
    child->lane = std::move(lane).value();
    child->requests = std::make_unique<Requests>(std::move(ends->first));
    {
        const std::lock_guard lock(mutex_);
        scheduler_.add_child(child);
    }

    const std::uint64_t deadline = now_ns() + options_.control_timeout_ns;
    if (is_chip) {
        fork_requests_.push_back(0);
        if (auto spawned = supervisor_->spawn(child, options_.chip_program, options_.environment, ends->second.fd());
            !spawned) {
            return spawned;
        }
    } else {
        const std::array<int, 1> control{ends->second.fd()};
        auto asked = fork_server_->requests->ask(header_of(Op::fork_child, child->index), {}, control, deadline);
        if (!asked) {
            return std::move(asked).error();
        }
        fork_requests_.push_back(*asked);
    }
    supervisor_->watch(child);

    // These wait in the socket until the child reads them.
    const StartBody body{options_.platform, options_.runtime, options_.cores_per_chip, options_.max_callables};
    const std::array<int, 3> fds{child->lane->fd(), bell_->fd(), bell_->event_fd()};
    auto asked = child->requests->ask(header_of(Op::start), body.encode(), fds, deadline);
    if (!asked) {
        return std::move(asked).error();
    }
    start_requests_.push_back(*asked);
    return {};
}

Result<void> Engine::adopt_forked(std::uint64_t deadline_ns) {
    for (const ChildPtr& child : scheduler_.children()) {
        const std::uint64_t request = fork_requests_[child->index];
        if (request == 0) {
            continue;
        }
        auto answer = fork_server_->requests->wait(request, deadline_ns);
        if (!answer) {
            return explain(*fork_server_, std::move(answer).error());
        }
        pid_t pid = -1;
        std::from_chars(answer->body.data(), answer->body.data() + answer->body.size(), pid);
        UniqueFd pidfd = answer->take_fd(0);
        if (answer->code() != Code::ok || pid <= 0 || !pidfd.valid()) {
            return Error{Code::io, "the fork server could not start " + child->name() + ": " + answer->body};
        }
        supervisor_->run([&] { supervisor_->adopt(child, Process(pid, std::move(pidfd))); });
    }
    return {};
}

Result<void> Engine::await_ready(std::uint64_t deadline_ns) {
    for (const ChildPtr& child : scheduler_.children()) {
        auto answer = child->requests->wait(start_requests_[child->index], deadline_ns);
        if (!answer) {
            return explain(*child, std::move(answer).error());
        }
        if (answer->code() != Code::ok) {
            return Error{answer->code(), child->name() + ": " + answer->body};
        }
        const std::lock_guard lock(mutex_);
        if (child->state == ChildState::starting) {
            child->state = ChildState::ready;
        }
    }
    for (const auto& arena : pool_->arenas()) {
        if (auto mapped = map_arena(*arena); !mapped) {
            return mapped;
        }
    }
    return {};
}

Error Engine::explain(const Child& child, Error error) {
    if (error.code == Code::timeout) {
        error.message = child.name() + " was not ready in time";
    } else if (error.code == Code::closed) {
        // The socket closes a moment before the exit status is known: prefer the status.
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::milliseconds(500), [&] { return child.state == ChildState::lost; });
        if (child.state == ChildState::lost) {
            error.message = child.name() + " " + child.exit_status.describe() + " while starting";
        }
    }
    return error;
}

Result<void> Engine::map_arena(const Arena& arena) {
    std::vector<ChildPtr> targets = live_children(ChildKind::chip);
    for (ChildPtr& child : live_children(ChildKind::sub)) {
        targets.push_back(std::move(child));
    }
    const std::array<int, 1> fds{arena.fd()};
    for (const TargetResult& result : ask_all(targets, header_of(Op::map_arena, arena.id()), fds)) {
        if (result.code != Code::ok && result.code != Code::closed) {
            return Error{result.code, result.child->name() + " cannot map new shared memory: " + result.message};
        }
    }
    return {};
}

// ---- registering ----------------------------------------------------------------------------------------------------

std::vector<ChildPtr> Engine::live_children(ChildKind kind) {
    const std::lock_guard lock(mutex_);
    std::vector<ChildPtr> result;
    for (const ChildPtr& child : scheduler_.children()) {
        if (child->kind == kind && child->state == ChildState::ready) {
            result.push_back(child);
        }
    }
    return result;
}

std::vector<TargetResult> Engine::ask_all(const std::vector<ChildPtr>& targets, const MessageHeader& header,
                                          std::span<const int> fds) {
    const std::uint64_t deadline = now_ns() + options_.control_timeout_ns;
    std::vector<TargetResult> results;
    std::vector<std::uint64_t> sequences;
    for (const ChildPtr& child : targets) {
        auto asked = child->requests->ask(header, {}, fds, deadline);
        results.push_back({child, asked ? Code::ok : asked.error().code, asked ? "" : asked.error().message});
        sequences.push_back(asked ? *asked : 0);
    }
    for (std::size_t i = 0; i < targets.size(); ++i) {
        if (results[i].code != Code::ok) {
            continue;
        }
        auto answer = targets[i]->requests->wait(sequences[i], deadline);
        results[i].code = answer ? answer->code() : answer.error().code;
        results[i].message = answer ? answer->body : answer.error().message;
    }
    return results;
}

std::vector<TargetResult> Engine::register_callable(const Callable& callable, const SealedPayload& payload) {
    const std::array<int, 1> fds{payload.fd()};
    auto results = ask_all(live_children(callable.runs_on), callable_header(Op::register_callable, callable), fds);
    const std::lock_guard lock(mutex_);
    for (const TargetResult& result : results) {
        if (result.code == Code::ok) {
            ++result.child->installed[callable.digest];
        }
    }
    return results;
}

std::vector<TargetResult> Engine::unregister_callable(const Callable& callable, const std::vector<ChildPtr>& targets) {
    auto results = ask_all(targets.empty() ? live_children(callable.runs_on) : targets,
                           callable_header(Op::unregister_callable, callable), {});
    const std::lock_guard lock(mutex_);
    for (const TargetResult& result : results) {
        if (result.code == Code::ok && --result.child->installed[callable.digest] == 0) {
            result.child->installed.erase(callable.digest);
        }
    }
    return results;
}

void Engine::send_due_removals() {
    std::vector<std::shared_ptr<Callable>> due;
    {
        const std::lock_guard lock(mutex_);
        due.swap(due_removals_);
    }
    for (const auto& callable : due) {
        for (const ChildPtr& child : live_children(callable->runs_on)) {
            static_cast<void>(child->requests->tell(callable_header(Op::unregister_callable, *callable), {}, {},
                                                    now_ns() + options_.control_timeout_ns));
            const std::lock_guard lock(mutex_);
            child->installed.erase(callable->digest);
        }
        const std::lock_guard lock(mutex_);
        callable->removed = true;
        --removals_pending_;
    }
}

// ---- ending ---------------------------------------------------------------------------------------------------------

void Engine::on_exit(Child& child, const ExitStatus& status) {
    const std::lock_guard lock(mutex_);
    if (child.kind == ChildKind::fork_server) {
        child.exit_status = status;
        child.state = ChildState::lost;
    } else if (child.state != ChildState::lost && child.state != ChildState::closed) {
        scheduler_.child_lost(child, status);
        if (closing_ && status.known && status.signal == 0 && status.exit_code == 0) {
            child.state = ChildState::closed;
        }
    }
    changed_.notify_all();
    after_progress();
}

void Engine::refuse() {
    const std::lock_guard lock(mutex_);
    closing_ = true;
}

std::vector<std::string> Engine::close(std::uint64_t budget_ns) {
    std::unique_lock lock(mutex_);
    closing_ = true;
    if (closed_) {
        return {};
    }
    closed_ = true;
    const std::uint64_t deadline = now_ns() + budget_ns;
    while (scheduler_.pending() > 0 && now_ns() < deadline) {
        static_cast<void>(wait(lock, [this] { return scheduler_.pending() == 0; }, deadline));
    }
    for (const auto& weak : runs_) {
        if (const RunPtr run = weak.lock()) {
            scheduler_.cancel(*run);
        }
    }

    std::vector<ChildPtr> children = scheduler_.children();
    if (fork_server_) {
        children.push_back(fork_server_);  // last: it reaps the sub-workers and tells how they ended
    }
    const auto ended = [](const ChildPtr& child) {
        return child->process.pid() <= 0 || child->state == ChildState::lost || child->state == ChildState::closed;
    };
    const auto await_end = [&](const ChildPtr& child, std::uint64_t until) {
        while (!ended(child) && now_ns() < until) {
            changed_.wait_for(lock, std::chrono::nanoseconds(until - now_ns()));
        }
        return ended(child);
    };
    const auto ask_to_end = [&](const ChildPtr& child) {
        if (!ended(child)) {
            static_cast<void>(child->requests->tell(header_of(Op::shutdown), {}, {}, now_ns()));
        }
    };

    std::vector<std::string> forced;
    for (const ChildPtr& child : children) {
        if (child != fork_server_) {
            ask_to_end(child);
        }
    }
    for (const ChildPtr& child : children) {
        if (child == fork_server_) {
            ask_to_end(child);
        }
        if (!await_end(child, deadline)) {
            if (budget_ns > 0) {
                forced.push_back(child->name());
            }
            child->process.kill(SIGKILL);
            await_end(child, now_ns() + kKillGraceNs);
        }
    }
    pool_->set_new_arena_hook({});
    changed_.notify_all();
    lock.unlock();
    supervisor_.reset();
    return forced;
}

}  // namespace callring
