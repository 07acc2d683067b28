// Recovery: handles children's messages, deadlines and deaths. When a child dies, each pending request to it fails,
// tasks that had not begun wait for the replacement, and the next incarnation is started
// (docs/explanation/recovery.md). Called on the progress thread, except where a comment says otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/child_end.h"
#include "engine/child_starter.h"
#include "engine/shared.h"
#include "engine/wait_loop.h"
#include "registry/registrar.h"

namespace callring {

class Recovery {
public:
    Recovery(Shared& shared, WaitLoop& waits, ChildStarter& starter, Registrar& registrar) noexcept
        : shared_(shared), waits_(waits), starter_(starter), registrar_(registrar) {}

    // Starts a child's next incarnation. An incarnation that cannot be started counts as a death.
    void launch(const ChildPtr& child);

    // Called by the Supervisor.
    Result<void> on_readable(Supervisor::Key key);
    bool on_writable(Supervisor::Key key);
    void on_exit(Supervisor::Key key, const ExitStatus& status);
    std::optional<std::uint64_t> next_deadline();
    void on_deadline();
    void on_torn();

    // All of the following are called on any thread, under the engine's lock.

    // Receives and handles a child's messages. After an error, nothing more may be received from it.
    Result<void> receive_from(const ChildPtr& child);
    // Wakes the progress thread at `deadline_ns` at the latest.
    void expect_deadline(std::uint64_t deadline_ns);

private:
    Result<void> handle(Child& child, Message message);
    Result<void> receive_all(Child& child);
    void child_died(const ChildPtr& child, std::shared_ptr<ChildEnd> end);
    void end_overdue();
    [[nodiscard]] Grace grace_of(const Child& child, std::uint64_t now_ns) const;

    Shared& shared_;
    WaitLoop& waits_;
    ChildStarter& starter_;
    Registrar& registrar_;
    std::uint64_t armed_deadline_ns_ = 0;  // the progress thread wakes up then at the latest; 0: no deadline
    std::vector<std::pair<Supervisor::Key, ExitStatus>> noted_exits_;  // that the fork server reported
};

}  // namespace callring
