// ChildStarter: starts children, for the first time or as replacements, until they are ready. All messages that a child
// needs are posted before it runs, in order (start, arenas, callables), and wait in its socket: the child is ready when
// it has answered all of them. Called on the progress thread, except where a comment says otherwise.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/arena_mapper.h"
#include "engine/shared.h"
#include "engine/wait_loop.h"
#include "registry/registrar.h"

namespace callring {

// A callable that was registered before start(), and why a child refused it.
struct Refusal {
    CallableSpec callable;
    std::string child;
    Error error;
};

class ChildStarter {
public:
    ChildStarter(Shared& shared, WaitLoop& waits, ArenaMapper& arenas, Registrar& registrar) noexcept
        : shared_(shared), waits_(waits), arenas_(arenas), registrar_(registrar) {}

    // Starts the process of a child's next incarnation, or asks the fork server for it. After an error, for instance a
    // lack of memory or file descriptors, the child is unchanged.
    Result<void> launch(const ChildPtr& child);
    Result<void> launch_fork_server();

    // All of the following are called on any thread, under the engine's lock.

    // Makes a child ready if it has answered all messages.
    void note_if_ready(Child& child);
    void install_refused(Child& child, const Callable& callable, const Error& error);
    // The first refusal while the Engine started.
    [[nodiscard]] const std::optional<Refusal>& refusal() const noexcept { return refusal_; }
    // The processes that run, by key.
    [[nodiscard]] const std::map<Supervisor::Key, ChildPtr>& incarnations() const noexcept { return incarnations_; }
    // Null if no process has this key: it has ended.
    [[nodiscard]] ChildPtr find(Supervisor::Key key) const;
    // Removes a process that has ended. Returns its child; null if no process has this key.
    ChildPtr take(Supervisor::Key key);

private:
    std::shared_ptr<Requests> make_requests(Supervisor::Key key, Channel channel);
    Result<void> watch(Supervisor::Key key, const Requests& requests, const std::shared_ptr<const Process>& process);
    void fork(const ChildPtr& child, const Channel& control);
    void adopt(const ChildPtr& child, Supervisor::Key key, Result<Message>& forked);
    void send_start(const ChildPtr& child);

    Shared& shared_;
    WaitLoop& waits_;
    ArenaMapper& arenas_;
    Registrar& registrar_;
    std::map<Supervisor::Key, ChildPtr> incarnations_;
    Supervisor::Key next_key_ = 1;
    std::optional<Refusal> refusal_;
};

}  // namespace callring
