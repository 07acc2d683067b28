// Engine: one Worker's native half. It starts children and replaces those that die, registers callables with them,
// accepts tasks, and lets callers wait. Its threads: docs/explanation/the-core.md. Its parts: engine/parts.h.
// Guarantees: thread-safe; every wait ends by its condition, its deadline, a signal, or a child's death; no thread
// holds a lock while it waits for a child; close() is bounded, idempotent, and leaves no process behind. The Engine
// holds no Python object, so no call needs the interpreter's lock.
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

    // Starts every child and returns when all are ready, with every registered callable installed. After an error,
    // which has the first cause of the failure, no child is left.
    Result<void> start(const std::vector<ChildSpec>& specs, std::uint64_t deadline_ns);
    // The callable that a child refused, if start() failed because of that.
    [[nodiscard]] std::optional<Refusal> refusal();

    // Registers a callable with every child of its kind at once; before start(), with the children that start() makes
    // (see Registrar). When this returns, most children have answered: wait_for_operation() waits for the others.
    // Errors: closed, removal_active, slot_exhausted, hashid_descriptor_mismatch.
    Result<OperationPtr> begin_register(CallableSpec spec);
    // Releases one registration; the last one removes the callable from the children, and wait_for_operation() waits
    // for that. Errors: closed, removal_active.
    Result<OperationPtr> begin_unregister(const CallablePtr& callable);
    // Waits until every child has answered or exceeded its time to answer.
    Waited wait_for_operation(const OperationPtr& operation);
    // The caller of an operation stops waiting for it. A registration then fails.
    void abandon(const OperationPtr& operation);

    // Errors: too_many_runs (use wait_for_run_slot, then again), closed.
    Result<RunPtr> begin_run(const Followed& followed);
    // A run that keeps no list of its tasks: each task is independent (neither tensors nor `after`), and once it has
    // ended, take_ended() returns it.
    RunPtr begin_stream();
    // Refuses further submits to `run`.
    void seal(const RunPtr& run);
    void cancel(const RunPtr& run);
    // Withdraws one task of a stream. False if it has begun or ended.
    bool cancel(const TaskPtr& task);
    // Kills the child that runs `task`; the task then ends as `code`: cancelled or worker_lost. False if it is not
    // running.
    bool end_running(const TaskPtr& task, Code code);
    // Sends a signal to the child that runs `task`, and does nothing else. False if it is not running.
    bool signal_running(const TaskPtr& task, int signal);
    // See RunTable::watch().
    void watch_run(const RunPtr& run, int watcher);
    void unwatch_run(const RunPtr& run, int watcher);
    // Accepts a task. Errors: back_pressure (use wait_for_room, then again with the same task), given_up, closed,
    // out_of_memory, handle_stale, invalid_argument (see Scheduler::submit; also after seal()).
    Result<void> submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after);
    // How many tasks of a list, from its first, were accepted, and why the next one was not.
    struct Accepted {
        std::size_t count = 0;
        Result<void> outcome;
    };
    // Accepts tasks of one callable as that many submits would, but takes the lock and wakes children once for many
    // tasks.
    Accepted submit_many(const RunPtr& run, std::span<const TaskPtr> tasks, const std::vector<TaskPtr>& after);
    // Begins a sealed run of all tasks of a sealed graph. Errors: as submit and begin_run, and as
    // CapturedGraph::check_launch.
    Result<RunPtr> launch(const GraphPtr& graph, const GraphArguments& arguments, const Followed& followed);

    Waited wait_for_run(const RunPtr& run, std::optional<std::uint64_t> deadline_ns);
    Waited wait_for_task(const TaskPtr& task, std::optional<std::uint64_t> deadline_ns);
    // Takes the tasks of a stream that have ended, and waits without a bound until there are some. It returns none once
    // the stream is sealed and all its tasks were taken, or the engine is closed. If another thread waits as well, that
    // thread drains the lanes instead of this one, so that this thread is not woken for the tasks that the other thread
    // awaits.
    [[nodiscard]] std::vector<TaskPtr> take_ended(const RunPtr& stream);
    // Gives back tasks that take_ended() returned: the next call returns them again.
    void give_back(const RunPtr& stream, std::vector<TaskPtr> ended) noexcept;
    // Whether the Worker ran out of memory in the middle of a change: then every call fails with out_of_memory.
    [[nodiscard]] bool torn() const noexcept;
    // To be called when a thread stops waiting for this task of a stream: take_ended() then returns the task like the
    // others.
    void hand_over(const TaskPtr& task);
    // Whether `task` has begun and has not ended.
    [[nodiscard]] bool running(const TaskPtr& task);
    // Counts a submit or launch that waits at a bound; callers call this once, even if the wait is interrupted and then
    // goes on.
    void count_wait();
    // Waits until a submit may succeed; timed_out if no task ended before `deadline_ns`.
    Waited wait_for_room(std::uint64_t deadline_ns);
    // Waits until more than `ended` tasks have ended, or none is pending.
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
    // At most `most` of the tasks that ended after the first `since` recorded ones, evenly spread, and those that run.
    [[nodiscard]] TraceGlimpse glimpse(std::uint64_t since, std::size_t most);
    [[nodiscard]] std::shared_ptr<NodeTraces> ask_for_traces();
    Waited wait_for_traces(const std::shared_ptr<NodeTraces>& asked);

    // To be called in a forked process: the Engine belongs to the parent process, whose threads may have held the lock
    // at the fork. No other call is allowed afterwards, except is_parents().
    void leave_to_parent() noexcept;
    [[nodiscard]] bool is_parents() const noexcept;

    // Refuses new work from now on; accepted tasks go on.
    void refuse();
    [[nodiscard]] bool closing();
    // Refuses new work, lets tasks end for at most `budget_ns`, then ends the children. Returns the names of those that
    // it had to kill.
    std::vector<std::string> close(std::uint64_t budget_ns);

private:
    explicit Engine(std::unique_ptr<EngineParts> parts) noexcept;

    [[nodiscard]] std::unique_lock<std::mutex> lock();
    Result<void> prepare(Task& task);
    // To be called under the lock after `count` tasks went to the scheduler, some of which may have ended at once.
    void after_submits(std::size_t count, bool any_ended);
    Accepted submit_some(const RunPtr& run, std::span<const TaskPtr> tasks, const std::vector<TaskPtr>& after);
    Result<TaskBlock> make_tasks(const CapturedGraph& graph, const GraphArguments& arguments);
    Result<void> map_arena(const std::shared_ptr<Arena>& arena);

    std::unique_ptr<EngineParts> parts_;
};

}  // namespace callring
