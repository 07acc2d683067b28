// Scheduler: what runs where and when. Tensors become hazards, hazards edges; what has no unmet edge is dispatched.
// Guarantees: a task runs after everything it depends on; it is begun at most once, and once more for each of its
// retries; a failed task's dependents are never executed; every accepted task ends (done, failed, lost, skipped or
// cancelled). No system call but wake-ups.
// Not thread-safe: the engine's lock orders all calls.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "common/result.h"
#include "schedule/child.h"
#include "schedule/task.h"

namespace callring {

struct TaskSpan {
    std::uint64_t run;
    std::uint64_t task;
    Digest digest;
    ChildKind kind;
    std::int32_t child;
    TaskTimes times;
    Code code;
};

struct CoreSpanOfTask {
    std::int32_t child;
    std::uint64_t run;
    std::uint64_t task;
    CoreSpanRecord span;
};

class Scheduler {
public:
    explicit Scheduler(bool trace) : trace_(trace) {}

    void add_child(ChildPtr child);
    [[nodiscard]] const std::vector<ChildPtr>& children() const noexcept { return children_; }

    // Accepts a task into `run`, after the tasks that its tensors and `after` name. Refused (given_up) when no child
    // will ever run it.
    Result<void> submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after);

    // Takes all completions of all lanes and dispatches what they release. Returns how many tasks ended.
    std::size_t drain();
    // A child's process has ended: the task that it ran is lost, or begins again if it has retries left; what had not
    // begun waits for the replacement, or moves.
    void child_lost(Child& child, const std::string& why);
    // A child takes work from now on, or again.
    void child_ready(Child& child);
    // A child will not be replaced (its state says so): what only it could run is lost.
    void give_up(Child& child, const std::string& why);
    // Withdraws what has not begun of `run`.
    void cancel(Run& run);
    // Withdraws one task. False: it has begun, or has ended.
    bool cancel(const TaskPtr& task);

    // Tasks that were accepted and have not ended.
    [[nodiscard]] std::uint64_t pending() const noexcept { return pending_; }
    // Whether a completion could release or dispatch something: only then must somebody drain while nobody waits.
    [[nodiscard]] bool needs_progress() const noexcept { return blocked_ + queued_ > 0; }
    // Whether tasks of streams have ended since the last call.
    [[nodiscard]] bool take_stream_moved() noexcept { return std::exchange(stream_moved_, false); }

    // Called when the last accepted task of a callable has ended.
    std::function<void(const CallablePtr&)> on_callable_idle;

    std::vector<TaskSpan> task_spans;
    std::vector<CoreSpanOfTask> core_spans;

private:
    void collect_hazards(Run& run, const Task& task, std::vector<std::uint64_t>& predecessors);
    void dispatch(const TaskPtr& task);
    bool dispatch_behind_predecessors(const TaskPtr& task, const std::vector<TaskPtr>& predecessors);
    void push(Child& child, const TaskPtr& task, const std::vector<TaskPtr>& predecessors);
    void feed(Child& child);
    void feed_subs();
    void balance_subs();
    [[nodiscard]] Child* least_busy_sub(const Digest& digest);
    std::size_t drain_child(Child& child);
    void complete(Child& child, const Completion& completion);
    void take_spans(Child& child, const Task& task);
    void end(const TaskPtr& task, Code code, std::string payload);
    void end_one(const TaskPtr& task, Code code, std::string payload);
    void put_back(Child& child, const TaskPtr& task);
    void collect_accepted(const Run& run, std::vector<TaskPtr>& tasks) const;
    void abandon_queue(std::deque<TaskPtr>& queue, const std::string& why);
    [[nodiscard]] bool all_given_up(ChildKind kind) const;

    std::vector<ChildPtr> children_;
    std::deque<TaskPtr> sub_queue_;  // ready for any sub-worker
    std::vector<TaskPtr> poisoned_;  // work list of end()
    std::uint64_t pending_ = 0;
    std::uint64_t blocked_ = 0;  // wait for predecessors
    std::uint64_t queued_ = 0;   // wait for room in a lane
    bool stream_moved_ = false;
    bool trace_;
};

}  // namespace callring
