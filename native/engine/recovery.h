// Recovery: what children say, when they are late, and what happens when they die: whatever waited for an answer gets
// one, tasks that had not begun wait for the replacement, and the place starts its next incarnation
// (docs/explanation/recovery.md). On the progress thread, but for what says otherwise.
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

    // Starts a child's next incarnation; one that cannot be started has died.
    void launch(const ChildPtr& child);

    // What the Supervisor calls.
    Result<void> on_readable(Supervisor::Key key);
    bool on_writable(Supervisor::Key key);
    void on_exit(Supervisor::Key key, const ExitStatus& status);
    std::optional<std::uint64_t> next_deadline();
    void on_deadline();
    void on_torn();

    // The following run on any thread, under the engine's lock.

    // Takes what a child has said. Error: it is not to be listened to any more.
    Result<void> receive_from(const ChildPtr& child);
    // Something is due at `deadline_ns`.
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
    std::uint64_t armed_deadline_ns_ = 0;  // the progress thread wakes up then, if not before; 0: never
    std::vector<std::pair<Supervisor::Key, ExitStatus>> noted_exits_;  // told by the fork server
};

}  // namespace callring
