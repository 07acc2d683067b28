// EngineParts: the parts of an Engine, each after those that it depends on; and the scheduler's Surroundings: its clock
// and the calls by which it reaches children, callables and runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/arena_mapper.h"
#include "engine/child_starter.h"
#include "engine/questions.h"
#include "engine/recovery.h"
#include "engine/run_table.h"
#include "engine/shared.h"
#include "engine/wait_loop.h"
#include "registry/registrar.h"

namespace callring {

struct EngineParts final : Surroundings {
    static Result<std::unique_ptr<EngineParts>> create(EngineOptions options, std::shared_ptr<MemoryPool> pool);
    EngineParts(EngineOptions options, std::shared_ptr<MemoryPool> pool, std::unique_ptr<ParentBell> bell,
                std::unique_ptr<Broadcast> broadcast);

    // Called by the scheduler, under the lock.
    [[nodiscard]] std::uint64_t now_ns() const noexcept override;
    void wake(Child& child) override;
    void on_callable_idle(const CallablePtr& callable) override;
    void on_protocol_violation(Child& child, const std::string& what) override;
    void on_run_finished(Run& run) override;
    void on_deadline_set(std::uint64_t at_ns) override;

    // Whether new work is accepted. Called under the lock.
    [[nodiscard]] Result<void> check_accepting(const CallablePtr& callable) const;
    [[nodiscard]] Result<void> check_room();
    [[nodiscard]] Result<void> check_submit(const Run& run, const CallablePtr& callable);

    Shared shared;
    RunTable runs{shared.scheduler};
    Registrar registrar;
    WaitLoop waits{shared, runs, registrar};
    ArenaMapper arenas{shared};
    ChildStarter starter{shared, waits, arenas, registrar};
    Recovery recovery{shared, waits, starter, registrar};
    Questions questions{shared, recovery};

    const pid_t owner;                 // the process that made the Engine
    std::atomic<bool> parents{false};  // this process is a fork: the Engine belongs to its parent
    bool close_begun = false;          // a second close() only waits for the first one
    std::uint64_t submits = 0;
    std::uint64_t submit_waits = 0;
};

}  // namespace callring
