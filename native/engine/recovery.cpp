#include "engine/recovery.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "common/clock.h"

namespace callring {

void Recovery::launch(const ChildPtr& child) {
    if (auto launched = starter_.launch(child); !launched) {
        const std::lock_guard lock(shared_.mutex);
        auto end = std::make_shared<ChildEnd>();
        end->child = child->name();
        end->reason = "could not be started: " + launched.error().message;
        child_died(child, std::move(end));
    }
}

// The state of tasks is unknown from here on: every child is ended.
void Recovery::on_torn() {
    const std::lock_guard lock(shared_.mutex);
    for (const auto& [key, child] : starter_.incarnations()) {
        child->kill(SIGKILL);
    }
    waits_.tell_all();
}

// ---- messages -------------------------------------------------------------------------------------------------------

// Returns `malformed` for a message that this child must not send.
Result<void> Recovery::handle(Child& child, Message message) {
    if (message.op() == Op::child_exited && child.kind == ChildKind::fork_server) {
        std::int32_t status = 0;
        if (message.body.size() != sizeof status) {
            return Error{Code::malformed, "it sent no exit status"};
        }
        std::memcpy(&status, message.body.data(), sizeof status);
        noted_exits_.emplace_back(static_cast<Supervisor::Key>(message.header.argument),
                                  ExitStatus::from_wait_status(status));
        return {};
    }
    if (message.code() == Code::partial_failure && child.kind != ChildKind::node) {
        return Error{Code::malformed, "it answered for children of its own, and has none"};
    }
    if (auto delivered = child.requests->deliver(std::move(message)); !delivered) {
        return delivered;
    }
    starter_.note_if_ready(child);
    return {};
}

Result<void> Recovery::receive_all(Child& child) {
    for (;;) {
        auto received = child.requests->channel().try_receive();
        if (!received) {
            return std::move(received).error();
        }
        if (!*received) {
            return {};
        }
        if (auto handled = handle(child, std::move(**received)); !handled) {
            return handled;
        }
        // Notices of the fork server may stay in the socket: the socket is then still readable.
        if (!child.requests || child.requests->unanswered() == 0) {
            return {};
        }
    }
}

Result<void> Recovery::receive_from(const ChildPtr& child) {
    const KeepsBooks keeps(shared_.books);
    auto received = receive_all(*child);
    const Code code = received ? Code::ok : received.error().code;
    if (code == Code::malformed || (code == Code::layout_mismatch && child->state == ChildState::ready)) {
        shared_.protocol_violation(*child, received.error().message);
    } else if (code != Code::ok && code != Code::closed) {
        // The child does not use this version's protocol, and is ended.
        shared_.start_failed(*child, {received.error().code, child->name() + ": " + received.error().message});
    }
    return received;
}

Result<void> Recovery::on_readable(Supervisor::Key key) {
    Result<void> received;
    std::vector<std::pair<Supervisor::Key, ExitStatus>> exits;
    {
        const std::lock_guard lock(shared_.mutex);
        const ChildPtr child = starter_.find(key);
        if (!child) {
            return {};
        }
        received = receive_from(child);
        exits.swap(noted_exits_);
    }
    for (const auto& [exited, status] : exits) {
        shared_.supervisor->note_exit(exited, status);
    }
    return received;
}

bool Recovery::on_writable(Supervisor::Key key) {
    const std::lock_guard lock(shared_.mutex);
    const ChildPtr child = starter_.find(key);
    return !child || child->requests->flush();
}

// ---- deadlines ------------------------------------------------------------------------------------------------------

// A ready child that loads code has the start timeout as additional time, and so have the later requests in its socket.
// A starting child has no additional time beyond its start: its Grace only selects the reason in the error.
Grace Recovery::grace_of(const Child& child, std::uint64_t now_ns) const {
    const std::uint64_t until = child.lane ? child.lane->loaded_until_ns(now_ns) : 0;
    const std::uint64_t most = child.state == ChildState::ready ? shared_.options.start_timeout_ns : 0;
    return until == 0 ? Grace{} : Grace{until + shared_.options.control_timeout_ns, most};
}

std::optional<std::uint64_t> Recovery::next_deadline() {
    const std::lock_guard lock(shared_.mutex);
    if (shared_.books.torn) {
        return std::nullopt;
    }
    const std::uint64_t now = now_ns();
    std::optional<std::uint64_t> next;
    const auto consider = [&next](std::optional<std::uint64_t> deadline) {
        if (deadline && (!next || *deadline < *next)) {
            next = deadline;
        }
    };
    for (const auto& [key, child] : starter_.incarnations()) {
        consider(child->requests->next_deadline(grace_of(*child, now)));
    }
    for (const ChildPtr& child : shared_.scheduler.children()) {
        if (!shared_.closing && child->start_again_ns != 0) {
            consider(child->start_again_ns);
        }
        if (child->look_at_ns != 0) {
            consider(child->look_at_ns);
        }
    }
    if (shared_.scheduler.balance_at_ns() != 0) {
        consider(shared_.scheduler.balance_at_ns());
    }
    // The deadline stays armed after an answer in time: the next request then needs no wake-up to arm its own deadline.
    if (!next && armed_deadline_ns_ > now_ns()) {
        next = armed_deadline_ns_;
    }
    armed_deadline_ns_ = next.value_or(0);
    return next;
}

void Recovery::expect_deadline(std::uint64_t deadline_ns) {
    if (armed_deadline_ns_ == 0 || deadline_ns < armed_deadline_ns_) {
        armed_deadline_ns_ = deadline_ns;
        shared_.supervisor->post([] {});
    }
}

void Recovery::on_deadline() {
    std::vector<ChildPtr> again;
    {
        const std::lock_guard lock(shared_.mutex);
        const std::uint64_t now = now_ns();
        const auto running = starter_.incarnations();
        for (const auto& [key, child] : running) {
            const Grace grace = grace_of(*child, now);
            if (const auto due = child->requests->next_deadline(grace); due && now >= *due) {
                static_cast<void>(receive_from(child));  // an answer in its socket came in time: this thread is late
                child->requests->expire(now, grace);
            }
        }
        for (const ChildPtr& child : shared_.scheduler.children()) {
            if (!shared_.closing && child->start_again_ns != 0 && now >= child->start_again_ns) {
                child->start_again_ns = 0;
                again.push_back(child);
            }
        }
        end_overdue();
        if (const std::uint64_t at = shared_.scheduler.balance_at_ns(); at != 0 && now >= at) {
            shared_.scheduler.share_out();
        }
        waits_.after_progress();
    }
    for (const ChildPtr& child : again) {
        launch(child);
    }
}

// Ends children whose task has exceeded its deadline.
void Recovery::end_overdue() {
    waits_.drain();
    const std::uint64_t now = now_ns();
    for (const ChildPtr& child : shared_.scheduler.children()) {
        if (child->look_at_ns != 0 && now >= child->look_at_ns &&
            shared_.scheduler.expire(*child, now, shared_.options.control_timeout_ns)) {
            child->kill(SIGKILL);
        }
    }
    waits_.drain();  // tasks that were taken back may now go to other children
}

// ---- deaths ---------------------------------------------------------------------------------------------------------

void Recovery::on_exit(Supervisor::Key key, const ExitStatus& status) {
    const std::lock_guard lock(shared_.mutex);
    const ChildPtr child = starter_.take(key);
    if (!child) {
        return;
    }
    if (shared_.books.torn) {
        child->state = ChildState::lost;
        shared_.changed.notify_all();
        return;
    }
    auto end = std::make_shared<ChildEnd>();
    end->child = child->name();
    end->status = status;
    end->pid = std::max(child->pid(), 0);
    end->reason = child->condemned;
    if (child->kind == ChildKind::fork_server) {
        // Its sub-workers die with it; their replacements start another fork server.
        shared_.fork_server = nullptr;
        child->state = ChildState::lost;
        shared_.supervisor->lose_notes();
        child->requests->fail_all({Code::closed, {}, std::move(end)});
    } else {
        child_died(child, std::move(end));
    }
    shared_.changed.notify_all();
    waits_.after_progress();
}

void Recovery::child_died(const ChildPtr& child, std::shared_ptr<ChildEnd> end) {
    const std::uint64_t now = now_ns();
    const RestartPolicy::Life life = child->state != ChildState::ready ? RestartPolicy::Life::never_ready
                                     : child->has_worked()             ? RestartPolicy::Life::worked
                                                                       : RestartPolicy::Life::idle;
    const bool well = end->status.signal == 0 && end->status.exit_code == 0;
    const auto requests = std::move(child->requests);
    child->requests = nullptr;
    child->process = nullptr;
    child->key = 0;
    child->start_deadline_ns = 0;
    child->condemned.clear();
    // The death does not count as a sign that the child is broken.
    const bool blameless =
        std::exchange(child->ended_for_task, false) ||
        (end->status.known && well && life == RestartPolicy::Life::worked && child->lane->child_retires());
    child->last_end = end;
    child->ledger.clear();

    if (shared_.closing) {
        // A child whose exit status is unknown has ended after close() asked it to.
        child->state = end->status.known && !well ? ChildState::lost : ChildState::closed;
    } else if (!shared_.started) {
        child->state = ChildState::lost;
        if (!shared_.start_error) {
            shared_.start_error = Error{Code::worker_lost, {}, end};
        }
    } else if (blameless) {
        child->state = ChildState::starting;
        child->start_again_ns = now;
    } else if (const auto again = child->restarts.start_again_after_death(now, life)) {
        child->state = ChildState::starting;
        child->start_again_ns = *again;
    } else {
        child->state = ChildState::lost;
        end->given_up = child->restarts.reason();
    }
    if (child->lane) {
        child->lane_view.store(nullptr, std::memory_order_release);  // no driver waits for its completions any more
        shared_.scheduler.child_lost(*child, *end);
        child->lane->close_extents();
    }
    if (child->state != ChildState::starting) {
        shared_.scheduler.give_up(*child, *end);
    }
    if (requests) {
        requests->fail_all({Code::closed, {}, end});
    }
    if (child->state != ChildState::starting) {
        registrar_.on_given_up();
    }
    shared_.changed.notify_all();
}

}  // namespace callring
