#include "registry/registrar.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/tuning.h"

namespace callring {

namespace {

// Whether a child takes part in an operation; not if it is being killed: its replacement receives everything.
bool takes_part(const Child& child, ChildKind kind) {
    return takes_callables_of(child.kind, kind) && child.requests != nullptr && child.condemned.empty() &&
           child.has_a_future();
}

// Whether a child lives, but did not answer in time or could not be asked: its replacement receives everything.
bool is_unreachable(const Result<Message>& answered) {
    return !answered && answered.error().code != Code::closed;
}

MessageHeader header_of(Op op, const Callable& callable) {
    MessageHeader header = callring::header_of(op);
    header.kind = callable.spec.kind;
    header.digest = callable.spec.digest;
    return header;
}

}  // namespace

// ---- registering ----------------------------------------------------------------------------------------------------

Result<OperationPtr> Registrar::begin_register(CallableSpec spec) {
    const auto known = callables_.find(spec.digest);
    CallablePtr callable;
    if (known != callables_.end()) {
        callable = known->second;
        if (callable->removing()) {
            return Error{Code::removal_active, callable->in_flight > 0 ? "tasks that use it have not ended yet"
                                                                       : "the children have not all answered yet"};
        }
        if (callable->spec.descriptor != spec.descriptor) {
            return Error{Code::hashid_descriptor_mismatch, "another descriptor is registered under this hashid"};
        }
    } else {
        const auto same_kind = [&](const auto& entry) { return entry.second->spec.runs_on == spec.runs_on; };
        if (std::count_if(callables_.begin(), callables_.end(), same_kind) >= std::int64_t{max_callables_}) {
            return Error{Code::slot_exhausted, "all " + std::to_string(max_callables_) + " slots are taken"};
        }
        callable = std::make_shared<Callable>();
        callable->spec = std::move(spec);
        callables_.emplace(callable->spec.digest, callable);
    }
    ++callable->registrations;

    auto operation = std::make_shared<Operation>();
    operation->callable = callable;
    operation->registers = true;
    // Interpreters that compute share the cores, and each needs a core before its control thread gets the interpreter's
    // lock. So children that have answered pause their tasks for a moment.
    static const std::int64_t cores = std::thread::hardware_concurrency();
    operation->held = std::count_if(children_.begin(), children_.end(), [&](const ChildPtr& child) {
                          return child->kind == ChildKind::sub && takes_part(*child, callable->spec.runs_on);
                      }) > cores;
    const std::uint64_t deadline = now_ns() + timeout_ns_;
    ++operation->open;  // until all requests are sent: an early answer must not settle the operation
    {
        const Payload& payload = *callable->spec.payload;
        const Op op = operation->held ? Op::register_and_hold : Op::register_callable;
        Announcement announcement(broadcast_, header_of(op, *callable), payload.body(), payload.fds());
        for (const ChildPtr& child : children_) {
            if (takes_part(*child, callable->spec.runs_on)) {
                ask_to_install(announcement, child, callable,
                               std::max(deadline + child->patience_ns, child->start_deadline_ns), operation);
            }
        }
    }
    --operation->open;
    await_confirmation(operation);
    return operation;
}

// Before the children start, there is no answer to wait for.
void Registrar::await_confirmation(const OperationPtr& operation) {
    const Callable& callable = *operation->callable;
    const auto takes = [&](const ChildPtr& child) { return takes_callables_of(child->kind, callable.spec.runs_on); };
    const auto may_answer = [&](const ChildPtr& child) { return takes(child) && child->has_a_future(); };
    if (operation->failed || std::none_of(children_.begin(), children_.end(), takes)) {
        return;
    }
    if (std::none_of(children_.begin(), children_.end(), may_answer)) {
        for (const ChildPtr& child : children_) {
            if (takes(child)) {
                operation->results.push_back({child->name(), {Code::given_up, {}, child->last_end}});
            }
        }
        operation->unconfirmed = false;
        operation->hopeless = true;
    } else if (!callable.confirmed && !operation->unconfirmed) {
        operation->unconfirmed = true;
        unconfirmed_.push_back(operation);
    }
}

void Registrar::install_all(const ChildPtr& child, std::uint64_t deadline_ns) {
    for (const auto& [digest, callable] : callables_) {
        if (takes_callables_of(child->kind, callable->spec.runs_on) && callable->needed()) {
            const Payload& payload = *callable->spec.payload;
            Announcement announcement(broadcast_, header_of(Op::register_callable, *callable), payload.body(),
                                      payload.fds());
            ask_to_install(announcement, child, callable, deadline_ns, nullptr);
        }
    }
}

// An operation waits for children that take work. A starting child installs everything before it takes work.
void Registrar::ask_to_install(Announcement& announcement, const ChildPtr& child, const CallablePtr& callable,
                               std::uint64_t deadline_ns, const OperationPtr& operation) {
    const bool starting = child->state == ChildState::starting;
    const OperationPtr waiting = starting ? nullptr : operation;
    Installation& now = child->ledger[callable->spec.digest];
    std::size_t target = 0;
    if (waiting) {
        target = waiting->results.size();
        waiting->results.push_back({child->name(), {Code::ok, {}}});
    }
    if (now.held()) {
        return;
    }
    ++now.installing;
    if (waiting) {
        ++waiting->open;
    }
    const auto on_answer = [this, child, key = child->key, callable, starting, waiting, target,
                            told = false](Result<Message>& answered) mutable {
        const bool gone = child->key != key;
        const bool timed_out = !answered && answered.error().code == Code::timeout;
        const bool installed = answered && answered->code() == Code::ok;
        if (is_unreachable(answered)) {
            hooks_.condemn(*child, answered.error().message);
        }
        if (!timed_out && !gone) {
            Installation& installation = child->ledger[callable->spec.digest];
            --installation.installing;
            installation.installed = installation.installed || installed;
            if (installation.empty()) {
                child->ledger.erase(callable->spec.digest);
            }
        }
        if (installed) {
            confirm(*callable);
        } else if (starting) {
            not_installed_at_start(*child, callable, answered);
        }
        if (waiting && !std::exchange(told, true)) {
            answer(*waiting, target, answered);
        }
        // The callable may be unused: its registration failed, or was released, while this installation was under way.
        release(callable, waiting);
        tell(waiting);
    };
    announcement.ask(*child, deadline_ns, on_answer);
}

// If a starting child refuses a callable, or dies too often while it installs it, registrations that wait for the first
// installation fail. If a child has installed the callable before, only the starting child has failed.
void Registrar::not_installed_at_start(Child& child, const CallablePtr& callable, const Result<Message>& answered) {
    if (answered) {
        fail_unconfirmed(callable, {child.name(), {answered->code(), answered->body}});
        if (callable->needed()) {
            hooks_.refused(child, *callable, {answered->code(), answered->body});
        }
    } else if (answered.error().code != Code::timeout && !callable->confirmed &&
               ++callable->fatal_starts[child.index] >= tuning::kMostFatalStarts) {
        fail_unconfirmed(callable, {child.name(),
                                    {Code::worker_lost, "while it installed the callable, like its earlier processes",
                                     answered.error().child_end}});
    }
}

void Registrar::confirm(Callable& callable) {
    if (!std::exchange(callable.confirmed, true)) {
        std::erase_if(unconfirmed_, [&](const OperationPtr& operation) {
            const bool mine = operation->callable.get() == &callable;
            operation->unconfirmed = operation->unconfirmed && !mine;
            return mine;
        });
        hooks_.changed();
    }
}

void Registrar::fail_unconfirmed(const CallablePtr& callable, const TargetResult& why) {
    const std::vector<OperationPtr> waiting = unconfirmed_;
    for (const OperationPtr& operation : waiting) {
        if (operation->callable == callable) {
            operation->results.push_back(why);
            fail(*operation);
        }
    }
    hooks_.changed();
}

void Registrar::on_given_up() {
    for (const OperationPtr& operation : unconfirmed_) {
        await_confirmation(operation);
    }
    std::erase_if(unconfirmed_, [](const OperationPtr& operation) { return operation->hopeless; });
    hooks_.changed();
}

// The end of a child, or a missing answer, fails no registration: the replacement installs everything.
void Registrar::answer(Operation& operation, std::size_t target, const Result<Message>& answered) {
    operation.results[target].answer = answered ? Error{answered->code(), answered->body} : answered.error();
    --operation.open;
    if (operation.registers && answered && answered->code() != Code::ok) {
        fail(operation);
    }
}

// Waiting callers are woken when their operation is complete, not for each answer.
void Registrar::tell(const OperationPtr& operation) {
    if (!operation || operation->settled()) {
        hooks_.changed();
    }
}

// The first failure decides: the registration is released. If no other one is left, no joining child receives the
// callable, and children that have it are asked to remove it.
void Registrar::fail(Operation& operation) {
    if (operation.registers && !std::exchange(operation.failed, true)) {
        operation.unconfirmed = false;
        std::erase_if(unconfirmed_, [&](const OperationPtr& waiting) { return waiting.get() == &operation; });
        if (--operation.callable->registrations == 0) {
            ++removals_;
        }
    }
}

void Registrar::abandon(Operation& operation) {
    fail(operation);
    release(operation.callable, nullptr);
}

// ---- removing -------------------------------------------------------------------------------------------------------

Result<OperationPtr> Registrar::begin_unregister(const CallablePtr& callable) {
    if (callable->removing()) {
        return Error{Code::removal_active, "its removal is under way"};
    }
    if (--callable->registrations == 0) {
        ++removals_;
    }
    auto operation = std::make_shared<Operation>();
    operation->callable = callable;
    release(callable, operation);
    return operation;
}

void Registrar::release(const CallablePtr& callable, const OperationPtr& operation) {
    const auto known = callables_.find(callable->spec.digest);
    const bool succeeded = known != callables_.end() && known->second != callable;
    if (succeeded || callable->needed()) {
        return;
    }
    {
        Announcement announcement(broadcast_, header_of(Op::unregister_callable, *callable), {}, {});
        for (const ChildPtr& child : children_) {
            if (!takes_part(*child, callable->spec.runs_on)) {
                continue;
            }
            const auto entry = child->ledger.find(callable->spec.digest);
            // An installation under way may still be refused; its answer decides.
            if (entry != child->ledger.end() && entry->second.held() && entry->second.installing == 0) {
                ask_to_remove(announcement, child, callable, child->state == ChildState::ready ? operation : nullptr);
            }
        }
    }
    settle_removal(callable);
}

void Registrar::ask_to_remove(Announcement& announcement, const ChildPtr& child, const CallablePtr& callable,
                              const OperationPtr& operation) {
    child->ledger[callable->spec.digest].removing = true;
    std::size_t target = 0;
    if (operation) {
        ++operation->open;
        target = operation->results.size();
        if (!operation->registers) {
            operation->results.push_back({child->name(), {Code::ok, {}}});
        }
    }
    const auto on_answer = [this, child, key = child->key, callable, operation, target,
                            told = false](Result<Message>& answered) mutable {
        const bool gone = child->key != key;
        const bool timed_out = !answered && answered.error().code == Code::timeout;
        if (is_unreachable(answered)) {
            hooks_.condemn(*child, answered.error().message);
        }
        if (!timed_out && !gone) {
            const auto entry = child->ledger.find(callable->spec.digest);
            entry->second.installed = false;
            entry->second.removing = false;
            if (entry->second.empty()) {
                child->ledger.erase(entry);
            }
            if (answered && answered->code() != Code::ok) {
                hooks_.condemn(*child, "it could not release callable " + callable->spec.label + ": " + answered->body);
            }
        }
        if (operation && !std::exchange(told, true)) {
            if (operation->registers) {
                --operation
                      ->open;  // the clean-up of a failed registration, whose results are those of the installation
            } else {
                answer(*operation, target, answered);
            }
        }
        settle_removal(callable);
        tell(operation);
    };
    announcement.ask(*child, std::max(now_ns() + timeout_ns_ + child->patience_ns, child->start_deadline_ns),
                     on_answer);
}

// A final removal is complete when no child that takes work has the callable. A starting child removes it before it
// takes work, and a child that is being killed takes no more work.
void Registrar::settle_removal(const CallablePtr& callable) {
    if (callable->gone || callable->needed()) {
        return;
    }
    const bool held = std::any_of(children_.begin(), children_.end(), [&](const ChildPtr& child) {
        return takes_part(*child, callable->spec.runs_on) && child->state == ChildState::ready &&
               child->ledger.contains(callable->spec.digest);
    });
    if (!held) {
        callable->gone = true;
        --removals_;
        callables_.erase(callable->spec.digest);
    }
}

std::uint32_t Registrar::registrations(const Digest& digest) const {
    const auto known = callables_.find(digest);
    return known == callables_.end() ? 1 : std::max(known->second->registrations, 1U);
}

}  // namespace callring
