// Registrar: the identities of a Worker, and the children that have them installed. It turns registrations and removals
// into control messages, and updates its state by the answers (docs/explanation/identity.md).
// Guarantees: a callable of accepted tasks stays installed until the last of them has ended; a joining child receives
// every live identity before later requests; after a failed registration no child keeps the callable. A child that
// ends, starts, or does not answer in time (and is killed for that) delays no registration: its replacement has every
// live identity before it takes work. But the first registrations of a callable that no child has ever installed wait
// for one child that installs it. Not thread-safe: the engine's lock orders all calls. It sends, but never waits.
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

// The answer of one child.
struct TargetResult {
    std::string child;  // "chip 3"
    Error answer{Code::ok, {}};
};

// One registration or removal, from its messages to its last answer.
struct Operation {
    CallablePtr callable;
    bool registers = false;
    bool failed = false;                // a registration that a child has refused
    bool unconfirmed = false;           // a registration that waits for the first installation
    bool hopeless = false;              // a registration for which no child is left
    bool held = false;                  // children that have installed the callable pause their tasks for a moment
    std::size_t open = 0;               // messages to working children that have no answer and no timeout yet
    std::vector<TargetResult> results;  // of children that received the request, and of others that decided the outcome

    [[nodiscard]] bool settled() const noexcept { return open == 0 && !unconfirmed; }
    // ok, partial_failure or given_up; closed if it was not completed.
    [[nodiscard]] Code outcome() const noexcept {
        return failed ? Code::partial_failure : hopeless ? Code::given_up : settled() ? Code::ok : Code::closed;
    }
};

using OperationPtr = std::shared_ptr<Operation>;

class Registrar {
public:
    struct Hooks {
        std::function<void()> changed;  // an operation may have settled
        // A child did not answer in time, or its answer contradicts the request: it must be killed, and takes no more
        // work.
        std::function<void(Child&, const std::string& why)> condemn;
        // A starting child cannot install a needed callable: it must not become ready.
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

    // Counts one more registration, and requests the installation from every starting or ready child that lacks it.
    // Errors, which change nothing: removal_active, slot_exhausted, hashid_descriptor_mismatch.
    Result<OperationPtr> begin_register(CallableSpec spec);
    // Gives up a registration whose caller has stopped waiting.
    void abandon(Operation& operation);
    // Releases one registration; the last release requests the removal from all children. Error, which changes nothing:
    // removal_active.
    Result<OperationPtr> begin_unregister(const CallablePtr& callable);
    // Called when the last accepted task of a callable has ended.
    void on_idle(const CallablePtr& callable) { release(callable, nullptr); }

    // Requests the installation of every live identity from a starting child.
    void install_all(const ChildPtr& child, std::uint64_t deadline_ns);
    // Called when a child was given up: registrations that waited only for it are hopeless.
    void on_given_up();

    // The number of registrations of an identity that a child has installed: at least 1 until the child removes it.
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
    std::vector<OperationPtr> unconfirmed_;  // registrations that wait for the first installation of their callable
    std::size_t removals_ = 0;               // callables whose final removal is under way
};

}  // namespace callring
