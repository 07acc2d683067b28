// Engine: one Worker's native half. It starts children and replaces those that die, registers callables with them,
// accepts tasks, and lets callers wait. Which thread does what, and when: docs/explanation/the-core.md. Its parts:
// start.cpp (children becoming ready), recovery.cpp (messages, deadlines, deaths, replacement), registry.cpp (callables
// and arenas), answers.cpp (what is asked of children), nodes.cpp, launch.cpp (accepting work), wait.cpp, close.cpp,
// engine.cpp (runs).
// Guarantees: thread-safe; every wait ends by its condition, its deadline, a signal, or a child's death; no lock is
// held while a child is awaited; close() is bounded, idempotent, and leaves no process behind. Holds no Python object:
// no call needs the interpreter's lock.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "lane/bell.h"
#include "lane/spin.h"
#include "memory/pool.h"
#include "memory/reserve.h"
#include "processes/supervisor.h"
#include "registry/registrar.h"
#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring {

struct EngineOptions {
    std::string platform;
    std::string runtime;
    std::uint32_t cores_per_chip = 0;    // 0: the architecture's default
    std::uint32_t max_callables = 4096;  // slots of each child's table
    std::uint32_t lane_capacity = 1024;
    std::uint64_t max_pending_tasks = 65536;
    std::uint64_t max_runs = 64;  // under way at once
    std::uint64_t control_timeout_ns = 10'000'000'000;
    std::uint64_t start_timeout_ns = 30'000'000'000;  // of a replacement
    std::optional<std::uint32_t> max_restarts = 10;   // of one child within the window; none: see RestartPolicy
    std::uint64_t restart_window_ns = 60'000'000'000;
    bool trace = false;
    std::uint32_t span_capacity = 16384;           // core spans per chip between two drains, when tracing
    std::vector<std::string> chip_program;         // argv of a chip child
    std::vector<std::string> fork_server_program;  // argv of the fork server
    std::vector<std::string> environment;          // "NAME=value" of every child
    std::string python_setup;                      // body of the fork server's start request
    std::vector<UniqueFd> python_descriptors;      // what it is given with that
};

struct ChildSpec {
    ChildKind kind = ChildKind::chip;
    std::uint32_t id = 0;
    std::shared_ptr<SealedPayload> setup;  // of a node child: what it is made of, for the Python that becomes it
    std::uint64_t patience_ns = 0;         // how much longer than the control timeout it may take to answer
};

struct ChildSnapshot {
    ChildKind kind;
    std::uint32_t id;
    pid_t pid;  // -1 between two incarnations
    std::uint32_t incarnation;
    ChildState state;
    std::uint64_t completed;
    std::shared_ptr<const ChildEnd> last_end;   // how the previous incarnation ended; null for the first
    std::map<Digest, std::uint32_t> installed;  // identity to number of registrations
};

// Why start() failed on a callable that was registered before.
struct Refusal {
    CallableSpec callable;
    std::string child;
    Error error;
};

enum class Waited : std::uint8_t { done, timed_out, interrupted };

class Engine final : private Surroundings {
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

    // Runs of this engine that a new run follows: it begins nothing before they have ended. It is skipped unless those
    // in `well` end well; how those in `anyhow` end is no matter.
    struct Followed {
        std::vector<RunPtr> well;
        std::vector<RunPtr> anyhow;
    };
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
    // Writes to the eventfd `watcher` when `run` has finished, at once if it has; until unwatch_run().
    void watch_run(const RunPtr& run, int watcher);
    void unwatch_run(const RunPtr& run, int watcher);
    // Accepts a task. Errors: back_pressure (use wait_for_room, then again with the same task), given_up, closed,
    // out_of_memory, handle_stale, invalid_argument (see Scheduler::submit; the run was sealed).
    Result<void> submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after);
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
    [[nodiscard]] bool torn() const noexcept { return books_.torn; }
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
        const std::lock_guard lock(mutex_);
        return look();
    }

    [[nodiscard]] std::vector<ChildSnapshot> children();
    struct Stats {
        TaskCounts tasks;
        std::uint64_t pending = 0;
        std::uint64_t runs = 0;          // under way
        std::uint64_t restarts = 0;      // replacements of children
        std::uint64_t submit_waits = 0;  // submits that met a bound and waited
        std::uint64_t bytes_in_use = 0;  // of shared memory
        std::uint64_t bytes_mapped = 0;  // of it, in arenas
    };
    [[nodiscard]] Stats stats();
    struct Trace {
        std::vector<TaskSpan> tasks;
        std::vector<CoreSpanOfTask> cores;
        std::uint64_t dropped = 0;
    };
    // Takes the spans recorded so far.
    [[nodiscard]] Trace take_trace();
    // A look at a trace that goes on, without taking anything.
    struct Glimpse {
        std::uint64_t recorded = 0;   // tasks since the trace was taken last
        std::uint64_t step = 1;       // one of so many of those after `since` is given
        std::vector<TaskSpan> ended;  // in the order in which they ended; without what they waited for
        std::vector<TaskSpan> begun;  // by each child that is at work: the first that it has not ended
    };
    // Of what ended after the first `since` recorded tasks, at most `most`, evenly spread; what is under way.
    [[nodiscard]] Glimpse glimpse(std::uint64_t since, std::size_t most);
    // What the Workers within the nodes recorded, as the nodes packed it; an error of one that did not answer in time.
    struct NodeTraces {
        std::size_t open = 0;                                                // nodes that have not answered
        std::vector<std::pair<std::uint32_t, Result<std::string>>> answers;  // by the nodes' ids
    };
    // Asks every node at once; what it recorded is then forgotten there.
    [[nodiscard]] std::shared_ptr<NodeTraces> ask_for_traces();
    Waited wait_for_traces(const std::shared_ptr<NodeTraces>& asked);

    // In a process that was forked: everything here is its parent's, whose threads may have held the lock. Nothing may
    // be asked any more.
    void leave_to_parent() noexcept { parents_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool is_parents() const noexcept { return parents_.load(std::memory_order_relaxed); }

    // Refuses new work from now on; what was accepted goes on.
    void refuse();
    [[nodiscard]] bool closing();
    // Refuses new work, drains for at most `budget_ns`, then ends what is left. Returns what it had to end by force.
    std::vector<std::string> close(std::uint64_t budget_ns);

private:
    // Surroundings, for the scheduler; under the lock.
    [[nodiscard]] std::uint64_t now_ns() const noexcept override;
    void wake(Child& child) override;
    void on_callable_idle(const CallablePtr& callable) override;
    void on_protocol_violation(Child& child, const std::string& what) override;
    void on_run_finished(Run& run) override;
    void on_deadline_set(std::uint64_t at_ns) override;

    // answers.cpp
    // Calls `post`, which asks children, and receives what they answer within a moment.
    void ask(std::unique_lock<std::mutex>& lock, const std::function<void()>& post);
    [[nodiscard]] std::vector<ChildPtr> unanswered();
    // Until `answered()`, asked under the lock whenever something changed, or the Worker is closed. A caller that waits
    // longer is given the chance to notice a signal.
    Waited wait_for_children(const std::function<bool()>& answered);

    Engine(EngineOptions options, std::shared_ptr<MemoryPool> pool, std::unique_ptr<ParentBell> bell,
           std::unique_ptr<Broadcast> broadcast);

    // launch.cpp
    Result<void> prepare(Task& task);
    [[nodiscard]] Result<void> check_accepting(const CallablePtr& callable);
    [[nodiscard]] Result<void> check_room();
    Result<void> make_tasks(const CapturedGraph& graph, const GraphArguments& arguments,
                            const std::shared_ptr<std::vector<Task>>& tasks);
    static void break_groups(std::vector<Task>& tasks);

    // start.cpp; on the progress thread.
    void launch(const ChildPtr& child);
    Result<void> launch_incarnation(const ChildPtr& child);
    Result<void> launch_fork_server();
    std::shared_ptr<Requests> make_requests(Supervisor::Key key, Channel channel);
    Result<void> watch(Supervisor::Key key, const Requests& requests, const std::shared_ptr<const Process>& process);
    void fork(const ChildPtr& child, const Channel& control);
    void adopt(const ChildPtr& child, Supervisor::Key key, Result<Message>& forked);
    void introduce(const ChildPtr& child);
    void install_refused(Child& child, const Callable& callable, const Error& error);
    void start_failed(Child& child, const Error& error);
    void note_if_ready(Child& child);

    // recovery.cpp; on the progress thread unless said otherwise.
    Result<void> handle(Child& child, Message message);  // any thread
    Result<void> receive_all(Child& child);              // likewise
    Result<void> receive_from(const ChildPtr& child);    // any thread, under the lock
    Result<void> on_readable(Supervisor::Key key);
    bool on_writable(Supervisor::Key key);
    void on_exit(Supervisor::Key key, const ExitStatus& status);
    void child_died(const ChildPtr& child, std::shared_ptr<ChildEnd> end);
    std::optional<std::uint64_t> next_deadline();
    void on_deadline();
    void protocol_violation(Child& child, const std::string& what);  // any thread
    void condemn(Child& child, const std::string& why);              // any thread
    void expect_deadline(std::uint64_t deadline_ns);                 // any thread
    [[nodiscard]] Grace grace_of(const Child& child, std::uint64_t now_ns) const;

    // registry.cpp; any thread.
    struct Mapping {
        std::size_t open = 0;  // children that have not answered
        std::optional<Error> failure;
    };
    Result<void> map_arena(const std::shared_ptr<Arena>& arena);
    void post_arena(const ChildPtr& child, const Arena& arena, std::uint64_t deadline_ns,
                    const std::shared_ptr<Mapping>& mapping);

    // Waiting.
    Waited wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                std::optional<std::uint64_t> deadline_ns);
    [[nodiscard]] bool any_completion() const;
    void drive(std::unique_lock<std::mutex>& lock, std::optional<std::uint64_t> deadline_ns, FutexWait& slept);
    [[nodiscard]] Result<void> check_memory() const;
    void on_torn();
    bool drain();               // under the lock; whether a task ended. Throws bad_alloc if the books are torn
    void expect_progress();     // under the lock: asks for the progress thread if it is needed
    void tell_stream_takers();  // under the lock
    void tell_parked_takers();  // under the lock
    void make_way(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done);
    void after_progress();  // under the lock: tells waiters, asks for the progress thread if it is needed
    void on_bell();
    RunPtr new_run();                          // under the lock
    RunPtr new_run(const Followed& followed);  // under the lock
    [[nodiscard]] std::uint64_t runs_under_way();
    void tell_watchers(Run& run);
    void end_overdue();

    EngineOptions options_;
    std::shared_ptr<MemoryPool> pool_;
    std::unique_ptr<ParentBell> bell_;
    std::unique_ptr<Broadcast> broadcast_;
    std::unique_ptr<Supervisor> supervisor_;
    pid_t owner_;
    std::atomic<bool> parents_{false};

    // Torn when memory, and the reserve, ran out while something was changed: then every child is ended, every call
    // fails for want of memory, and only close() is left.
    Books books_;
    std::mutex mutex_;
    std::condition_variable changed_;         // a driver handed over, a child ended, answered, or other threads drained
    std::condition_variable stream_changed_;  // tasks of a stream ended
    AdaptiveSpin spin_;                       // of the driver
    bool receiving_ = false;                  // a caller receives what children say
    AdaptiveSpin answer_spin_{Core::offered};  // of that caller
    bool driving_ = false;                     // a caller drains; others sleep on changed_
    bool in_background_ = false;               // the driver is in take_ended(), and makes way
    std::uint32_t waiters_ = 0;                // callers in wait()
    std::uint32_t parked_takers_ = 0;          // callers in take_ended() to wake when no thread drives
    std::atomic<bool> nudged_{false};  // something that is no completion happened while the driver was outside the lock
    Scheduler scheduler_;
    Registrar registrar_;
    ChildPtr fork_server_;                              // null while none runs
    std::map<Supervisor::Key, ChildPtr> incarnations_;  // what runs, by key
    std::vector<std::shared_ptr<Arena>> arenas_;
    std::vector<std::unique_ptr<ParentLane>> old_lanes_;  // of dead incarnations, while the driver may look at them
    std::vector<std::weak_ptr<Run>> runs_;
    std::uint64_t next_run_ = 1;
    std::uint64_t watched_runs_ = 0;  // watchers of runs that have not finished
    std::uint64_t submit_waits_ = 0;
    std::uint64_t submits_ = 0;
    Supervisor::Key next_key_ = 1;
    std::uint64_t armed_deadline_ns_ = 0;  // the progress thread wakes up then, if not before; 0: never
    std::vector<std::pair<Supervisor::Key, ExitStatus>> noted_exits_;  // told by the fork server
    bool started_ = false;
    std::uint64_t start_deadline_ns_ = 0;
    std::optional<Error> start_error_;
    std::optional<Refusal> refusal_;
    bool closing_ = false;      // nothing new is accepted, and no child is replaced
    bool close_begun_ = false;  // one call of close() is enough
    bool closed_ = false;       // and that one is over
};

}  // namespace callring
