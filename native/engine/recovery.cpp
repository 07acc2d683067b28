// Engine: what children say, when they are late, and what happens when they die: whatever waited for an answer gets
// one, tasks that had not begun wait for the replacement, and the place starts its next incarnation
// (docs/explanation/recovery.md).
#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "common/clock.h"
#include "engine/engine.h"

namespace callring {

// ---- messages -------------------------------------------------------------------------------------------------------

// Error: malformed, if the child must not say that.
Result<void> Engine::handle(Child& child, Message message) {
    if (message.op() == Op::child_exited && child.kind == ChildKind::fork_server) {
        std::int32_t status = 0;
        if (message.body.size() != sizeof status) {
            return Error{Code::malformed, "it told no exit status"};
        }
        std::memcpy(&status, message.body.data(), sizeof status);
        noted_exits_.emplace_back(static_cast<Supervisor::Key>(message.header.argument),
                                  ExitStatus::from_wait_status(status));
        return {};
    }
    if (message.code() == Code::partial_failure && child.kind != ChildKind::node) {
        return Error{Code::malformed, "it answered for processes below it, and has none"};
    }
    if (auto delivered = child.requests->deliver(std::move(message)); !delivered) {
        return delivered;
    }
    note_if_ready(child);
    return {};
}

Result<void> Engine::receive_all(Child& child) {
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
        // What the fork server says unasked may be left in the socket: it is still readable then.
        if (!child.requests || child.requests->unanswered() == 0) {
            return {};
        }
    }
}

Result<void> Engine::receive_from(const ChildPtr& child) {
    const KeepsBooks keeps(books_);
    auto received = receive_all(*child);
    const Code code = received ? Code::ok : received.error().code;
    if (code == Code::malformed || (code == Code::layout_mismatch && child->state == ChildState::ready)) {
        protocol_violation(*child, received.error().message);
    } else if (code != Code::ok && code != Code::closed) {
        // It does not speak our language, and is ended for it.
        start_failed(*child, {received.error().code, child->name() + ": " + received.error().message});
    }
    return received;
}

Result<void> Engine::on_readable(Supervisor::Key key) {
    Result<void> received;
    std::vector<std::pair<Supervisor::Key, ExitStatus>> exits;
    {
        const std::lock_guard lock(mutex_);
        const auto entry = incarnations_.find(key);
        if (entry == incarnations_.end()) {
            return {};
        }
        const ChildPtr child = entry->second;
        received = receive_from(child);
        exits.swap(noted_exits_);
    }
    for (const auto& [exited, status] : exits) {
        supervisor_->note_exit(exited, status);
    }
    return received;
}

bool Engine::on_writable(Supervisor::Key key) {
    const std::lock_guard lock(mutex_);
    const auto entry = incarnations_.find(key);
    return entry == incarnations_.end() || entry->second->requests->flush();
}

// ---- deadlines ------------------------------------------------------------------------------------------------------

// A child that is ready and loads code, and what waits in its socket behind that, has as long for it as for its start.
// One that starts has the rest of its start for that: what is late is only told why.
Grace Engine::grace_of(const Child& child, std::uint64_t now_ns) const {
    const std::uint64_t until = child.lane ? child.lane->loaded_until_ns(now_ns) : 0;
    const std::uint64_t most = child.state == ChildState::ready ? options_.start_timeout_ns : 0;
    return until == 0 ? Grace{} : Grace{until + options_.control_timeout_ns, most};
}

std::optional<std::uint64_t> Engine::next_deadline() {
    const std::lock_guard lock(mutex_);
    if (books_.torn) {
        return std::nullopt;
    }
    const std::uint64_t now = now_ns();
    std::optional<std::uint64_t> next;
    const auto consider = [&next](std::optional<std::uint64_t> deadline) {
        if (deadline && (!next || *deadline < *next)) {
            next = deadline;
        }
    };
    for (const auto& [key, child] : incarnations_) {
        consider(child->requests->next_deadline(grace_of(*child, now)));
    }
    for (const ChildPtr& child : scheduler_.children()) {
        if (!closing_ && child->start_again_ns != 0) {
            consider(child->start_again_ns);
        }
        if (child->look_at_ns != 0) {
            consider(child->look_at_ns);
        }
    }
    if (scheduler_.balance_at_ns() != 0) {
        consider(scheduler_.balance_at_ns());
    }
    // What was answered in time leaves its deadline armed: the next request then needs no wake-up to arm its own.
    if (!next && armed_deadline_ns_ > now_ns()) {
        next = armed_deadline_ns_;
    }
    armed_deadline_ns_ = next.value_or(0);
    return next;
}

void Engine::expect_deadline(std::uint64_t deadline_ns) {
    if (armed_deadline_ns_ == 0 || deadline_ns < armed_deadline_ns_) {
        armed_deadline_ns_ = deadline_ns;
        supervisor_->post([] {});
    }
}

void Engine::on_deadline() {
    std::vector<ChildPtr> again;
    {
        const std::lock_guard lock(mutex_);
        const std::uint64_t now = now_ns();
        const auto running = incarnations_;
        for (const auto& [key, child] : running) {
            const Grace grace = grace_of(*child, now);
            if (const auto due = child->requests->next_deadline(grace); due && now >= *due) {
                static_cast<void>(receive_from(child));  // what lies in its socket came in time; we are late ourselves
                child->requests->expire(now, grace);
            }
        }
        for (const ChildPtr& child : scheduler_.children()) {
            if (!closing_ && child->start_again_ns != 0 && now >= child->start_again_ns) {
                child->start_again_ns = 0;
                again.push_back(child);
            }
        }
        end_overdue();
        if (const std::uint64_t at = scheduler_.balance_at_ns(); at != 0 && now >= at) {
            scheduler_.share_out();
        }
        after_progress();
    }
    for (const ChildPtr& child : again) {
        launch(child);
    }
}

// Ends children whose task has exceeded its deadline.
void Engine::end_overdue() {
    drain();
    const std::uint64_t now = now_ns();
    for (const ChildPtr& child : scheduler_.children()) {
        if (child->look_at_ns != 0 && now >= child->look_at_ns &&
            scheduler_.expire(*child, now, options_.control_timeout_ns)) {
            condemn(*child, child->condemned);
        }
    }
    drain();  // what was taken back may go elsewhere
}

// ---- deaths ---------------------------------------------------------------------------------------------------------

// It says what no child may say: nothing that it has said, or says from now on, can be believed.
void Engine::protocol_violation(Child& child, const std::string& what) {
    start_failed(child, {Code::malformed, child.name() + ": protocol violation: " + what});
}

void Engine::condemn(Child& child, const std::string& why) {
    if (child.condemned.empty()) {
        child.condemned = why;
    }
    child.kill(SIGKILL);
}

void Engine::on_exit(Supervisor::Key key, const ExitStatus& status) {
    const std::lock_guard lock(mutex_);
    const auto entry = incarnations_.find(key);
    if (entry == incarnations_.end()) {
        return;
    }
    const ChildPtr child = entry->second;
    incarnations_.erase(entry);
    if (books_.torn) {
        child->state = ChildState::lost;
        changed_.notify_all();
        return;
    }
    auto end = std::make_shared<ChildEnd>();
    end->child = child->name();
    end->status = status;
    end->pid = std::max(child->pid(), 0);
    end->reason = child->condemned;
    if (child->kind == ChildKind::fork_server) {
        // Its sub-workers die with it; their places start another one.
        fork_server_ = nullptr;
        child->state = ChildState::lost;
        supervisor_->lose_notes();
        child->requests->fail_all({Code::closed, {}, std::move(end)});
    } else {
        child_died(child, std::move(end));
    }
    changed_.notify_all();
    after_progress();
}

void Engine::child_died(const ChildPtr& child, std::shared_ptr<ChildEnd> end) {
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
    // Nothing that it did says that it is broken.
    const bool blameless =
        std::exchange(child->ended_for_task, false) ||
        (end->status.known && well && life == RestartPolicy::Life::worked && child->lane->child_retires());
    child->last_end = end;
    child->ledger.clear();

    if (closing_) {
        // One of which is not known how it ended has ended after it was asked to, all the same.
        child->state = end->status.known && !well ? ChildState::lost : ChildState::closed;
    } else if (!started_) {
        child->state = ChildState::lost;
        if (!start_error_) {
            start_error_ = Error{Code::worker_lost, {}, end};
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
        child->lane_view.store(nullptr, std::memory_order_release);  // what it holds is not waited for any more
        scheduler_.child_lost(*child, *end);
        child->lane->close_extents();
    }
    if (child->state != ChildState::starting) {
        scheduler_.give_up(*child, *end);
    }
    if (requests) {
        requests->fail_all({Code::closed, {}, end});
    }
    if (child->state != ChildState::starting) {
        registrar_.on_given_up();
    }
    changed_.notify_all();
}

}  // namespace callring
