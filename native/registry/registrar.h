// Registrar: which identities a Worker knows, and which child has which of them installed. It turns registrations and
// removals into control messages, and answers into the state of both (docs/explanation/identity.md).
// Guarantees: a callable that accepted tasks refer to stays installed until the last of them has ended; a child that
// joins receives every live identity before anything that follows; after a failed registration no child keeps it. A
// child that ends, starts, or does not answer in time (it is ended for that) holds up nothing: its replacement has
// every live identity before it takes work. But a callable that no child has ever installed is not taken on trust: its
// first registrations wait for one child that has. Not thread-safe: the engine's lock orders all calls. It sends, but
// never waits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "children/child.h"
#include "common/result.h"
#include "registry/announcement.h"
#include "task/callable.h"

namespace callring {

// What one child answered.
struct TargetResult {
    std::string child;  // "chip 3"
    Error answer{Code::ok, {}};
};

// One register or unregister, from its messages to its last answer.
struct Operation {
    CallablePtr callable;
    bool registers = false;
    bool failed = false;                // a registration that a child has refused
    bool unconfirmed = false;           // a registration that waits for the first child that installs the callable
    bool hopeless = false;              // a registration that no child is left for
    bool held = false;                  // children that have installed it hold their tasks for a moment
    std::size_t open = 0;               // messages to children that take work, without an answer or a timeout
    std::vector<TargetResult> results;  // of the children that were asked to install, and of others that decided it

    [[nodiscard]] bool settled() const noexcept { return open == 0 && !unconfirmed; }
    // When nothing waits for it any more: ok, partial_failure, given_up, or closed.
    [[nodiscard]] Code outcome() const noexcept {
        return failed ? Code::partial_failure : hopeless ? Code::given_up : settled() ? Code::ok : Code::closed;
    }
};

using OperationPtr = std::shared_ptr<Operation>;

class Registrar {
public:
    struct Hooks {
        std::function<void()> changed;  // an operation may have settled
        // A child did not answer in time, or contradicts what it received: it is to be ended, and takes no more work.
        std::function<void(Child&, const std::string& why)> condemn;
        // A child that starts cannot install a callable that is needed: it must not become ready.
        std::function<void(Child&, const Callable&, const Error&)> refused;
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
    // Errors, which change nothing: removal_active, slot_exhausted, hashid_descriptor_mismatch.
    Result<OperationPtr> begin_register(CallableSpec spec);
    // Gives up a registration whose caller does not wait any longer.
    void abandon(Operation& operation);
    // Releases one registration; with the last one children are asked to let go of it. Error, which changes nothing:
    // removal_active.
    Result<OperationPtr> begin_unregister(const CallablePtr& callable);
    // The last accepted task of a callable has ended.
    void on_idle(const CallablePtr& callable) { release(callable, nullptr); }

    // Asks a child that starts to install every live identity.
    void install_all(const ChildPtr& child, std::uint64_t deadline_ns);
    // A child was given up: registrations that could only wait for it are hopeless.
    void on_given_up();

    // The registrations of an identity that a child has installed, at least one: it is not removed yet.
    [[nodiscard]] std::uint32_t registrations(const Digest& digest) const;
    // Whether a final removal waits for accepted tasks.
    [[nodiscard]] bool any_removal() const noexcept { return removals_ > 0; }

private:
    void ask_to_install(Announcement& announcement, const ChildPtr& child, const CallablePtr& callable,
                        std::uint64_t deadline_ns, const OperationPtr& operation);
    void ask_to_remove(Announcement& announcement, const ChildPtr& child, const CallablePtr& callable,
                       const OperationPtr& operation);
    void fail(Operation& operation);
    void answer(Operation& operation, std::size_t target, const Result<Message>& answer);
    void await_confirmation(const OperationPtr& operation);
    void confirm(Callable& callable);
    void fail_unconfirmed(const CallablePtr& callable, const TargetResult& why);
    void not_installed_at_start(Child& child, const CallablePtr& callable, const Result<Message>& answered);
    void tell(const OperationPtr& operation);
    void release(const CallablePtr& callable, const OperationPtr& operation);
    void settle_removal(const CallablePtr& callable);

    const std::vector<ChildPtr>& children_;
    Broadcast& broadcast_;
    std::uint32_t max_callables_;
    std::uint64_t timeout_ns_;
    Hooks hooks_;
    std::map<Digest, CallablePtr> callables_;
    std::vector<OperationPtr> unconfirmed_;  // that wait for the first child which installs their callable
    std::size_t removals_ = 0;               // callables whose final removal is under way
};

}  // namespace callring
