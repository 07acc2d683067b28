// Engine: one Worker's native half. It starts children, registers callables with them, accepts tasks, and lets whoever
// waits do the work: a thread in wait() drains completions and dispatches successors itself.
// Guarantees: thread-safe; every wait ends by its condition, its deadline, a signal, or a child's death; close() is
// bounded, idempotent, and leaves no process behind. Holds no Python object: no call needs the interpreter's lock.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "lane/bell.h"
#include "memory/pool.h"
#include "memory/sealed.h"
#include "schedule/scheduler.h"
#include "supervise/supervisor.h"

namespace callring {

struct EngineOptions {
    std::string platform;
    std::string runtime;
    std::uint32_t cores_per_chip = 0;    // 0: the architecture's default
    std::uint32_t max_callables = 4096;  // slots of each child's table
    std::uint32_t lane_capacity = 1024;
    std::uint64_t max_pending_tasks = 65536;
    std::uint64_t control_timeout_ns = 10'000'000'000;
    bool trace = false;
    std::uint32_t span_capacity = 16384;           // core spans per chip between two drains, when tracing
    std::vector<std::string> chip_program;         // argv of a chip child
    std::vector<std::string> fork_server_program;  // argv of the fork server
    std::vector<std::string> environment;          // "NAME=value" of every child
    std::string python_setup;                      // body of the fork server's start request
};

struct ChildSpec {
    ChildKind kind = ChildKind::chip;
    std::uint32_t id = 0;
};

// What one child answered to a control request.
struct TargetResult {
    ChildPtr child;
    Code code = Code::ok;
    std::string message;
};

struct ChildSnapshot {
    ChildKind kind;
    std::uint32_t id;
    pid_t pid;
    std::uint32_t incarnation;
    ChildState state;
    std::uint64_t completed;
    std::string exit_status;  // empty while it lives
    std::map<Digest, std::uint32_t> installed;
};

enum class Waited : std::uint8_t { done, timed_out, interrupted };

class Engine {
public:
    static Result<std::unique_ptr<Engine>> create(EngineOptions options, std::shared_ptr<MemoryPool> pool);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Starts every child and returns when all are ready, or the first cause of failure with none left behind.
    Result<void> start(const std::vector<ChildSpec>& specs, std::uint64_t deadline_ns);

    // Asks every live child that runs `callable`'s kind to install it, all at once, and waits for their answers.
    std::vector<TargetResult> register_callable(const Callable& callable, const SealedPayload& payload);
    // Asks `targets` (all live children of the kind if empty) to release one registration.
    std::vector<TargetResult> unregister_callable(const Callable& callable, const std::vector<ChildPtr>& targets);
    // Final removal: true if nothing refers to it and the caller should unregister it now; false if tasks are in
    // flight: the removal follows by itself when the last of them has ended.
    bool retire(const std::shared_ptr<Callable>& callable);

    RunPtr begin_run();
    // No more submits for `run`.
    void seal(const RunPtr& run);
    void cancel(const RunPtr& run);
    // Accepts a task. Errors: back_pressure (use wait_for_room, then again), worker_lost, closed, out_of_memory.
    Result<void> submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after);

    Waited wait_for_run(const RunPtr& run, std::optional<std::uint64_t> deadline_ns);
    Waited wait_for_task(const TaskPtr& task, std::optional<std::uint64_t> deadline_ns);
    // Waits until a submit may succeed. Timed out: nothing ended before `deadline_ns`.
    Waited wait_for_room(std::uint64_t deadline_ns);
    [[nodiscard]] bool poll_run(const RunPtr& run);
    [[nodiscard]] bool poll_task(const TaskPtr& task);
    // Calls `look` under the lock, for a consistent view of tasks and runs.
    template <class Look>
    auto inspect(Look&& look) {
        const std::lock_guard lock(mutex_);
        return look();
    }

    [[nodiscard]] std::vector<ChildSnapshot> children();
    [[nodiscard]] ChildPtr child(ChildKind kind, std::uint32_t id);
    struct Trace {
        std::vector<TaskSpan> tasks;
        std::vector<CoreSpanOfTask> cores;
        std::uint64_t dropped = 0;
    };
    // Takes the spans recorded so far.
    [[nodiscard]] Trace take_trace();

    // Refuses new work from now on; what was accepted goes on.
    void refuse();
    // Refuses new work, drains for at most `budget_ns`, then ends what is left. Returns what it had to end by force.
    std::vector<std::string> close(std::uint64_t budget_ns);

private:
    Engine(EngineOptions options, std::shared_ptr<MemoryPool> pool, std::unique_ptr<ParentBell> bell);

    // Starting; on the progress thread unless said otherwise.
    Result<void> launch(const std::vector<ChildSpec>& specs);
    Result<void> launch_fork_server();
    Result<void> launch_child(ChildSpec spec);
    Result<void> await_ready(std::uint64_t deadline_ns);   // caller's thread
    Result<void> adopt_forked(std::uint64_t deadline_ns);  // caller's thread
    Result<void> map_arena(const Arena& arena);            // any thread but the progress thread
    [[nodiscard]] Error explain(const Child& child, Error error);

    std::vector<TargetResult> ask_all(const std::vector<ChildPtr>& targets, const MessageHeader& header,
                                      std::span<const int> fds);
    [[nodiscard]] std::vector<ChildPtr> live_children(ChildKind kind);
    void send_due_removals();  // progress thread

    // Waiting.
    Waited wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                std::optional<std::uint64_t> deadline_ns);
    [[nodiscard]] bool any_completion() const;
    void drain();           // under the lock
    void after_progress();  // under the lock: tells waiters, asks for the progress thread if it is needed
    void on_bell();
    void on_exit(Child& child, const ExitStatus& status);

    EngineOptions options_;
    std::shared_ptr<MemoryPool> pool_;
    std::unique_ptr<ParentBell> bell_;
    std::unique_ptr<Supervisor> supervisor_;
    pid_t owner_;

    std::mutex mutex_;
    std::condition_variable changed_;  // a driver handed over, a child ended, or somebody else drained
    bool driving_ = false;             // a caller drains; others sleep on changed_
    std::atomic<bool> nudged_{false};  // something that is no completion happened while the driver was outside the lock
    std::uint64_t spin_ns_ = 0;
    Scheduler scheduler_;
    ChildPtr fork_server_;
    std::vector<std::uint64_t> start_requests_;  // by child index
    std::vector<std::uint64_t> fork_requests_;   // by child index; 0 for a child that is not forked
    std::vector<std::weak_ptr<Run>> runs_;
    std::vector<std::shared_ptr<Callable>> due_removals_;
    std::uint64_t next_run_ = 1;
    std::uint64_t removals_pending_ = 0;
    bool closing_ = false;
    bool closed_ = false;
};

}  // namespace callring
