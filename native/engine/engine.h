// Engine: one Worker's native half. It starts children and replaces those that die, registers callables with them,
// accepts tasks, and lets callers wait. Which thread does what, and when: docs/explanation/the-core.md; of what it is
// made: engine/parts.h.
// Guarantees: thread-safe; every wait ends by its condition, its deadline, a signal, or a child's death; no lock is
// held while a child is awaited; close() is bounded, idempotent, and leaves no process behind. Holds no Python object:
// no call needs the interpreter's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/child_starter.h"
#include "engine/observed.h"
#include "engine/options.h"
#include "engine/questions.h"
#include "engine/run_table.h"
#include "engine/shared.h"
#include "registry/registrar.h"
#include "task/captured_graph.h"

namespace callring {

struct EngineParts;

class Engine {
public:
    static Result<std::unique_ptr<Engine>> create(EngineOptions options, std::shared_ptr<MemoryPool> pool);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Starts every child and returns when all are ready, with every registered callable installed, or the first cause
    // of failure with none left behind.
    Result<void> start(const std::vector<ChildSpec>& specs, std::uint64_t deadline_ns);
    // Set if start() failed because a child refused a callable.
    [[nodiscard]] std::optional<Refusal> refusal();

    // Registers with every child of the kind, all at once; before start(), with those to come. See Registrar. When it
    // returns, most have answered: wait_for_operation() waits for the others. Errors: closed, removal_active,
    // slot_exhausted, hashid_descriptor_mismatch.
    Result<OperationPtr> begin_register(CallableSpec spec);
    // Releases one registration; likewise. Errors: closed, removal_active.
    Result<OperationPtr> begin_unregister(const CallablePtr& callable);
    // Waits until every child has answered, or had its time to.
    Waited wait_for_operation(const OperationPtr& operation);
    // Its caller does not wait any longer: a registration fails.
    void abandon(const OperationPtr& operation);

    // Errors: too_many_runs (use wait_for_run_slot, then again), closed.
    Result<RunPtr> begin_run(const Followed& followed);
    // A run that never remembers its tasks: each is independent (neither tensors nor `after`), and goes to the
    // thread that takes the ended ones.
    RunPtr begin_stream();
    // No more submits for `run`.
    void seal(const RunPtr& run);
    void cancel(const RunPtr& run);
    // Withdraws one task of a stream. False: it has begun, or has ended.
    bool cancel(const TaskPtr& task);
    // Ends the child that runs `task`, which then ends as `code`: cancelled or worker_lost. False: it does not run.
    bool end_running(const TaskPtr& task, Code code);
    // Sends a signal to the child that runs `task`, and leaves it at that. False: it does not run.
    bool signal_running(const TaskPtr& task, int signal);
    // See RunTable::watch().
    void watch_run(const RunPtr& run, int watcher);
    void unwatch_run(const RunPtr& run, int watcher);
    // Accepts a task. Errors: back_pressure (use wait_for_room, then again with the same task), given_up, closed,
    // out_of_memory, handle_stale, invalid_argument (see Scheduler::submit; the run was sealed).
    Result<void> submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after);
    // How many tasks were accepted, which are the first, and why the next was not.
    struct Accepted {
        std::size_t count = 0;
        Result<void> outcome;
    };
    // Accepts tasks of one callable, as that many submits do; it takes the lock and wakes children once for many of
    // them.
    Accepted submit_many(const RunPtr& run, std::span<const TaskPtr> tasks, const std::vector<TaskPtr>& after);
    // Begins a sealed run of all tasks of a sealed graph. Errors: as submit and begin_run, and as
    // CapturedGraph::check_launch.
    Result<RunPtr> launch(const GraphPtr& graph, const GraphArguments& arguments, const Followed& followed);

    Waited wait_for_run(const RunPtr& run, std::optional<std::uint64_t> deadline_ns);
    Waited wait_for_task(const TaskPtr& task, std::optional<std::uint64_t> deadline_ns);
    // Takes the tasks of a stream that have ended; waits, without a bound, until there are some. None: the stream is
    // sealed and all were taken, or the engine is closed. A thread that waits here makes way for one that waits for
    // something particular, and need not wake for what such a thread waits for.
    [[nodiscard]] std::vector<TaskPtr> take_ended(const RunPtr& stream);
    // Puts back what take_ended() took: it is taken again.
    void give_back(const RunPtr& stream, std::vector<TaskPtr> ended) noexcept;
    // Whether the Worker ran out of memory in the middle of its work: then every call fails for that.
    [[nodiscard]] bool torn() const noexcept;
    // A thread that waited for this task of a stream will not take it: it goes to take_ended() like the others.
    void hand_over(const TaskPtr& task);
    // Whether `task` has been begun and has not ended.
    [[nodiscard]] bool running(const TaskPtr& task);
    // Counts a submit or launch that met a bound and waits; once, though its waiting may be interrupted.
    void count_wait();
    // Waits until a submit may succeed. Timed out: nothing ended before `deadline_ns`.
    Waited wait_for_room(std::uint64_t deadline_ns);
    // Waits until more than `ended` tasks have ended, or none is pending any more.
    Waited wait_for_progress(std::uint64_t ended, std::uint64_t deadline_ns);
    // The same as wait_for_room() for begin_run().
    Waited wait_for_run_slot(std::uint64_t deadline_ns);
    [[nodiscard]] bool poll_run(const RunPtr& run);
    [[nodiscard]] bool poll_task(const TaskPtr& task);
    // Calls `look` under the lock, for a consistent view of tasks and runs.
    template <class Look>
    auto inspect(Look&& look) {
        const auto held = lock();
        return look();
    }

    [[nodiscard]] std::vector<ChildSnapshot> children();
    [[nodiscard]] EngineStats stats();
    // Takes the spans recorded so far.
    [[nodiscard]] EngineTrace take_trace();
    // Of what ended after the first `since` recorded tasks, at most `most`, evenly spread; what is under way.
    [[nodiscard]] TraceGlimpse glimpse(std::uint64_t since, std::size_t most);
    [[nodiscard]] std::shared_ptr<NodeTraces> ask_for_traces();
    Waited wait_for_traces(const std::shared_ptr<NodeTraces>& asked);

    // In a process that was forked: everything here is its parent's, whose threads may have held the lock. Nothing may
    // be asked any more.
    void leave_to_parent() noexcept;
    [[nodiscard]] bool is_parents() const noexcept;

    // Refuses new work from now on; what was accepted goes on.
    void refuse();
    [[nodiscard]] bool closing();
    // Refuses new work, drains for at most `budget_ns`, then ends what is left. Returns what it had to end by force.
    std::vector<std::string> close(std::uint64_t budget_ns);

private:
    explicit Engine(std::unique_ptr<EngineParts> parts) noexcept;

    [[nodiscard]] std::unique_lock<std::mutex> lock();
    Result<void> prepare(Task& task);
    // Under the lock: `count` tasks were just handed to the scheduler, of which some may have ended at once.
    void after_submits(std::size_t count, bool any_ended);
    Accepted submit_some(const RunPtr& run, std::span<const TaskPtr> tasks, const std::vector<TaskPtr>& after);
    Result<void> make_tasks(const CapturedGraph& graph, const GraphArguments& arguments,
                            const std::shared_ptr<std::vector<Task>>& tasks);
    Result<void> map_arena(const std::shared_ptr<Arena>& arena);

    std::unique_ptr<EngineParts> parts_;
};

}  // namespace callring
