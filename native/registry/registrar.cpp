#include "registry/registrar.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "common/clock.h"

namespace callring {

namespace {

bool takes_part(const Child& child, ChildKind kind) {
    return takes_callables_of(child.kind, kind) && child.requests != nullptr &&
           (child.state == ChildState::starting || child.state == ChildState::ready);
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
    if (std::string where = uncertain_on(spec.digest, spec.runs_on); !where.empty()) {
        return Error{Code::cleanup_uncertain, std::move(where)};
    }
    const auto known = callables_.find(spec.digest);
    CallablePtr callable;
    if (known != callables_.end()) {
        callable = known->second;
        if (callable->removing()) {
            return Error{Code::removal_active, callable->in_flight > 0 ? "tasks that use it have not ended yet"
                                                                       : "its children have not all answered yet"};
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
    // Interpreters that compute share the cores, and each has to be given one before it lets its control thread in. So
    // those that had their turn wait a moment for the others, instead of computing on.
    static const std::int64_t cores = std::thread::hardware_concurrency();
    operation->held = std::count_if(children_.begin(), children_.end(), [&](const ChildPtr& child) {
                          return child->kind == ChildKind::sub && takes_part(*child, callable->spec.runs_on);
                      }) > cores;
    const std::uint64_t deadline = now_ns() + timeout_ns_;
    ++operation->open;  // until all are asked: an answer that comes at once must not settle it
    {
        const Payload& payload = *callable->spec.payload;
        const Op op = operation->held ? Op::register_and_hold : Op::register_callable;
        Announcement announcement(broadcast_, header_of(op, *callable), payload.body(), payload.fds());
        for (const ChildPtr& child : children_) {
            if (takes_part(*child, callable->spec.runs_on)) {
                ask_to_install(announcement, child, callable,
                               std::max(deadline + child->patience_ns, child->start_deadline_ns), operation, nullptr);
            }
        }
    }
    --operation->open;
    return operation;
}

void Registrar::install_all(const ChildPtr& child, std::uint64_t deadline_ns, const Refused& refused) {
    for (const auto& [digest, callable] : callables_) {
        // What is being removed, too, as long as tasks that were accepted may still come to this child.
        if (takes_callables_of(child->kind, callable->spec.runs_on) &&
            (callable->registrations > 0 || callable->in_flight > 0)) {
            const Payload& payload = *callable->spec.payload;
            Announcement announcement(broadcast_, header_of(Op::register_callable, *callable), payload.body(),
                                      payload.fds());
            ask_to_install(announcement, child, callable, deadline_ns, nullptr, refused);
        }
    }
}

void Registrar::ask_to_install(Announcement& announcement, const ChildPtr& child, const CallablePtr& callable,
                               std::uint64_t deadline_ns, const OperationPtr& operation, const Refused& refused) {
    Installation& now = child->ledger.installations[callable->spec.digest];
    std::size_t target = 0;
    if (operation) {
        target = operation->results.size();
        operation->results.push_back({child->name(), Code::ok, {}});
    }
    if (now.held()) {
        return;
    }
    ++now.installing;
    if (operation) {
        ++operation->open;
    }
    const auto on_answer = [this, child, key = child->key, callable, operation, target, refused,
                            late = false](Result<Message>& answered) mutable {
        const bool gone = child->key != key;
        const bool timed_out = !gone && !answered && answered.error().code == Code::timeout;
        const bool refusal = answered ? answered->code() != Code::ok : !timed_out;
        if (!gone) {
            Installation& installation = child->ledger.installations[callable->spec.digest];
            if (timed_out) {
                note_late(*child, installation);
            } else {
                if (late) {
                    note_certain(*child, installation);
                }
                --installation.installing;
                installation.installed = installation.installed || !refusal;
                if (installation.empty()) {
                    child->ledger.installations.erase(callable->spec.digest);
                }
            }
        }
        if (refused && refusal && !gone) {
            refused(*callable, answered ? Error{answered->code(), answered->body} : answered.error());
        }
        if (operation && !late) {
            answer(operation.get(), target, answered);
        }
        late = late || timed_out;
        // Nobody may want it any more: a registration failed, or was released, while this one was under way.
        release(callable, operation);
        tell(operation, late);
    };
    announcement.ask(*child, deadline_ns, on_answer);
}

void Registrar::answer(Operation* operation, std::size_t target, const Result<Message>& answered) {
    TargetResult& result = operation->results[target];
    result.code = answered ? answered->code() : answered.error().code;
    result.message = answered ? answered->body : answered.error().message;
    --operation->open;
    if (operation->registers && result.code != Code::ok) {
        fail(*operation);
    }
}

// Callers that wait are woken for what they wait for, not for each of its answers.
void Registrar::tell(const OperationPtr& operation, bool late) {
    if (!operation || late || operation->settled()) {
        hooks_.changed();
    }
}

// The first failure decides: from now on no child that joins is told of this registration, and those that have it are
// asked to release it.
void Registrar::fail(Operation& operation) {
    if (operation.registers && !std::exchange(operation.failed, true) && --operation.callable->registrations == 0) {
        ++removals_;
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
    if (succeeded || !callable->removing() || callable->in_flight > 0) {
        return;
    }
    {
        Announcement announcement(broadcast_, header_of(Op::unregister_callable, *callable), {}, {});
        for (const ChildPtr& child : children_) {
            if (!takes_part(*child, callable->spec.runs_on)) {
                continue;
            }
            const auto entry = child->ledger.installations.find(callable->spec.digest);
            // An installation under way may still be refused, and is looked at when it is answered.
            if (entry != child->ledger.installations.end() && entry->second.held() && entry->second.installing == 0) {
                ask_to_remove(announcement, child, callable, operation);
            }
        }
    }
    settle_removal(callable);
}

void Registrar::ask_to_remove(Announcement& announcement, const ChildPtr& child, const CallablePtr& callable,
                              const OperationPtr& operation) {
    child->ledger.installations[callable->spec.digest].removing = true;
    std::size_t target = 0;
    if (operation) {
        ++operation->open;
        target = operation->results.size();
        if (!operation->registers) {
            operation->results.push_back({child->name(), Code::ok, {}});
        }
    }
    const auto on_answer = [this, child, key = child->key, callable, operation, target,
                            late = false](Result<Message>& answered) mutable {
        const bool gone = child->key != key;
        const bool timed_out = !gone && !answered && answered.error().code == Code::timeout;
        if (!gone) {
            auto entry = child->ledger.installations.find(callable->spec.digest);
            Installation& known = entry->second;
            if (timed_out) {
                note_late(*child, known);
            } else {
                if (late) {
                    note_certain(*child, known);
                }
                known.installed = false;
                known.removing = false;
                if (known.empty()) {
                    child->ledger.installations.erase(entry);
                }
                if (answered && answered->code() != Code::ok) {
                    hooks_.distrust(*child,
                                    "it could not release callable " + callable->spec.label + ": " + answered->body);
                }
            }
        }
        if (operation && !late) {
            if (operation->registers) {
                --operation->open;  // the clean-up of a failed registration: its results are those of installing
            } else {
                answer(operation.get(), target, answered);
            }
        }
        late = late || timed_out;
        settle_removal(callable);
        tell(operation, late);
    };
    announcement.ask(*child, now_ns() + timeout_ns_ + child->patience_ns, on_answer);
}

// A final removal is over when every child has let go of the callable, or is marked uncertain.
void Registrar::settle_removal(const CallablePtr& callable) {
    if (callable->gone || !callable->removing() || callable->in_flight > 0) {
        return;
    }
    const bool held = std::any_of(children_.begin(), children_.end(), [&](const ChildPtr& child) {
        if (!takes_part(*child, callable->spec.runs_on)) {
            return false;
        }
        const auto entry = child->ledger.installations.find(callable->spec.digest);
        return entry != child->ledger.installations.end() && !entry->second.empty() && !entry->second.uncertain();
    });
    if (!held) {
        callable->gone = true;
        --removals_;
        callables_.erase(callable->spec.digest);
    }
}

// ---- uncertainty ----------------------------------------------------------------------------------------------------

void Registrar::note_late(Child& child, Installation& installation) {
    if (installation.late++ == 0) {
        ++uncertain_;
        if (child.ledger.uncertain++ == 0) {
            child.ledger.uncertain_since = now_ns();
        }
    }
}

void Registrar::note_certain(Child& child, Installation& installation) {
    if (--installation.late == 0) {
        --uncertain_;
        if (--child.ledger.uncertain == 0) {
            child.ledger.uncertain_since = 0;
        }
    }
}

void Registrar::forget(Child& child) {
    uncertain_ -= child.ledger.uncertain;
    child.ledger = {};
}

std::uint32_t Registrar::registrations(const Digest& digest) const {
    const auto known = callables_.find(digest);
    return known == callables_.end() ? 1 : std::max(known->second->registrations, 1U);
}

std::string Registrar::uncertain_on(const Digest& digest, ChildKind runs_on) const {
    std::string names;
    if (uncertain_ == 0) {
        return names;
    }
    for (const ChildPtr& child : children_) {
        if (takes_callables_of(child->kind, runs_on) && !child->ledger.usable(digest)) {
            names += (names.empty() ? "" : ", ") + child->name();
        }
    }
    return names;
}

}  // namespace callring
