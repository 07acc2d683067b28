// ChildStarter: children becoming ready, for the first time or as replacements. All that a child needs is posted before
// it runs, in order (start, arenas, callables), and waits in its socket: it is ready when it has answered everything.
// On the progress thread, but for what says otherwise.
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

// Why start() failed on a callable that was registered before.
struct Refusal {
    CallableSpec callable;
    std::string child;
    Error error;
};

class ChildStarter {
public:
    ChildStarter(Shared& shared, WaitLoop& waits, ArenaMapper& arenas, Registrar& registrar) noexcept
        : shared_(shared), waits_(waits), arenas_(arenas), registrar_(registrar) {}

    // Starts the process of a child's next incarnation, or has the fork server start it. What it lacks for that is the
    // error; the child is then as it was.
    Result<void> launch(const ChildPtr& child);
    Result<void> launch_fork_server();

    // The following run on any thread, under the engine's lock.

    // Makes a child ready that has answered everything.
    void note_if_ready(Child& child);
    void install_refused(Child& child, const Callable& callable, const Error& error);
    // The first of them, while the Engine started.
    [[nodiscard]] const std::optional<Refusal>& refusal() const noexcept { return refusal_; }
    // What runs, by key.
    [[nodiscard]] const std::map<Supervisor::Key, ChildPtr>& incarnations() const noexcept { return incarnations_; }
    // Null if it is unknown: it has ended.
    [[nodiscard]] ChildPtr find(Supervisor::Key key) const;
    // Takes out what has ended; null likewise.
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
