// Registrar: which identities a Worker knows, and which child has which of them installed. It turns registrations and
// removals into control messages, and answers into the state of both (identity.md, registration).
// Guarantees: a callable that accepted tasks refer to stays installed until the last of them has ended; a child that
// joins is told every live identity before anything that follows; after a failed registration no child keeps it; what
// a child has not confirmed is marked uncertain until it is, or until that incarnation is gone.
// Not thread-safe: the engine's lock orders all calls. It sends, but never waits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "registry/announcement.h"
#include "registry/callable.h"
#include "schedule/child.h"

namespace callring {

// What one child answered.
struct TargetResult {
    std::string child;  // "chip 3"
    Code code = Code::ok;
    std::string message;
};

// One register or unregister, from its messages to its last answer.
struct Operation {
    CallablePtr callable;
    bool registers = false;
    bool failed = false;                // a registration that at least one child has not confirmed
    bool held = false;                  // children that have installed it hold their tasks for a moment
    std::size_t open = 0;               // messages without an answer or a timeout
    std::vector<TargetResult> results;  // of the children that were asked to install, or to remove

    [[nodiscard]] bool settled() const noexcept { return open == 0; }
};

using OperationPtr = std::shared_ptr<Operation>;

class Registrar {
public:
    struct Hooks {
        std::function<void()> changed;  // an operation may have settled, or a pair is certain again
        // A child says something that contradicts what it was told: it cannot be trusted any more.
        std::function<void(Child&, const std::string& why)> distrust;
    };

    // `children` is the engine's list; `max_callables` bounds the identities of each kind of child.
    Registrar(const std::vector<ChildPtr>& children, Broadcast& broadcast, std::uint32_t max_callables,
              std::uint64_t timeout_ns, Hooks hooks)
        : children_(children),
          broadcast_(broadcast),
          max_callables_(max_callables),
          timeout_ns_(timeout_ns),
          hooks_(std::move(hooks)) {}

    // Counts one more registration and asks every child that is starting or ready, and does not have it, to install it.
    // Errors, which change nothing: cleanup_uncertain, removal_active, slot_exhausted, hashid_descriptor_mismatch.
    Result<OperationPtr> begin_register(CallableSpec spec);
    // Gives up a registration whose caller does not wait any longer.
    void abandon(Operation& operation);
    // Releases one registration; with the last one children are asked to let go of it. Error, which changes nothing:
    // removal_active.
    Result<OperationPtr> begin_unregister(const CallablePtr& callable);
    // The last accepted task of a callable has ended.
    void on_idle(const CallablePtr& callable) { release(callable, nullptr); }

    // Asks a child that starts to install every live identity. `refused` hears which it could not.
    using Refused = std::function<void(const Callable&, const Error&)>;
    void install_all(const ChildPtr& child, std::uint64_t deadline_ns, const Refused& refused);
    // Forgets what an incarnation had installed; called before its requests are failed.
    void forget(Child& child);

    // The registrations of an identity that a child has installed, at least one: it is not removed yet.
    [[nodiscard]] std::uint32_t registrations(const Digest& digest) const;
    // The children on which the identity is uncertain, for messages; empty almost always.
    [[nodiscard]] std::string uncertain_on(const Digest& digest, ChildKind runs_on) const;
    [[nodiscard]] bool any_uncertain() const noexcept { return uncertain_ > 0; }
    // Whether a final removal waits for accepted tasks.
    [[nodiscard]] bool any_removal() const noexcept { return removals_ > 0; }

private:
    void ask_to_install(Announcement& announcement, const ChildPtr& child, const CallablePtr& callable,
                        std::uint64_t deadline_ns, const OperationPtr& operation, const Refused& refused);
    void ask_to_remove(Announcement& announcement, const ChildPtr& child, const CallablePtr& callable,
                       const OperationPtr& operation);
    void fail(Operation& operation);
    void answer(Operation* operation, std::size_t target, const Result<Message>& answer);
    void tell(const OperationPtr& operation, bool late);
    void release(const CallablePtr& callable, const OperationPtr& operation);
    void settle_removal(const CallablePtr& callable);
    void note_late(Child& child, Installation& installation);
    void note_certain(Child& child, Installation& installation);

    const std::vector<ChildPtr>& children_;
    Broadcast& broadcast_;
    std::uint32_t max_callables_;
    std::uint64_t timeout_ns_;
    Hooks hooks_;
    std::map<Digest, CallablePtr> callables_;
    std::size_t uncertain_ = 0;  // over all children
    std::size_t removals_ = 0;   // callables whose final removal is under way
};

}  // namespace callring
