// Scheduler: decides when each task runs, and on which child. The bytes of a task's tensors decide which tasks it
// follows; once those have ended, or are in the same lane before it, it is dispatched.
// Its parts: scheduler.cpp (accepting), scheduler_dispatch.cpp (when), scheduler_subs.cpp (on which sub-worker),
// scheduler_groups.cpp (tasks that begin together), scheduler_complete.cpp (completions and the tasks they release),
// scheduler_ring.cpp (completions that change nothing), scheduler_launch.cpp (captured graphs),
// scheduler_runs.cpp (runs that follow others),
// scheduler_loss.cpp (deaths, deadlines, cancelling), scheduler_invariants.cpp (checks that all data is consistent, for
// tests).
//
// Guarantees: a task runs after all tasks it depends on; it begins at most once, and once more for each of its retries;
// a failed task's dependents are never executed; every accepted task ends (done, failed, lost, skipped or cancelled);
// no task of a run that follows other runs begins before they have ended. The scheduler takes no lock, and its only
// system call maps a large result: everything except its memory and the lanes is reached through its Surroundings. Not
// thread-safe: the engine's lock orders all calls.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "children/child.h"
#include "common/result.h"
#include "schedule/surroundings.h"
#include "task/run.h"

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

// Tasks by their outcomes; a group is one task.
struct TaskCounts {
    std::uint64_t accepted = 0;
    std::uint64_t done = 0;
    std::uint64_t failed = 0;  // in any way not listed below
    std::uint64_t lost = 0;    // their child died, or was given up
    std::uint64_t timed_out = 0;
    std::uint64_t skipped = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t begun_again = 0;  // used retries
};

class Scheduler {
public:
    // `cores` are shared by all children.
    Scheduler(Surroundings& outside, std::size_t cores) : outside_(outside), cores_(cores) {}

    void add_child(ChildPtr child);
    [[nodiscard]] const std::vector<ChildPtr>& children() const noexcept { return children_; }

    // Accepts a task into `run`, after the tasks in `after` and those that its tensors require. Errors: given_up (every
    // child that could run it was given up); invalid_argument (no child could ever run it, members of a group write the
    // same bytes, or the scope of a tensor has ended).
    Result<void> submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after);
    // Between this and end_burst() children are not woken. The first frame would wake each child too early, and on few
    // cores the children would then compete with the thread that makes the further frames.
    void begin_burst() noexcept { in_burst_ = true; }
    void end_burst();

    // Accepts the tasks of a launch, one for each node of the graph of `run`, or, after an error, none. Errors: as
    // submit.
    Result<void> launch(const RunPtr& run, TaskBlock tasks);
    // Orders `run`, which has no task yet, behind `earlier`. If `poisoned`, it is skipped unless `earlier` succeeds.
    void follow(const RunPtr& run, const RunPtr& earlier, bool poisoned);
    // Refuses further submits to `run`.
    void seal(Run& run);

    // Takes all completions of all lanes and dispatches the tasks that they release. Returns how many tasks ended.
    std::size_t drain();
    // A child's process has ended. The task that it ran is lost, or begins again if it has retries left; tasks that had
    // not begun wait for the replacement, or move to other children.
    void child_lost(Child& child, const ChildEnd& end);
    // A child is ready, and takes work.
    void child_ready(Child& child);
    // A child will not be replaced (its state says so): tasks that only it could run are lost.
    void give_up(Child& child, const ChildEnd& end);
    // Checks the deadlines of the tasks in flight on `child`. Returns whether the running task has exceeded its own:
    // then all other tasks were taken back, and the child has to be killed. Sets `look_at_ns`, the time of the next
    // check. If the child has not noted that it began the first task of its lane, that task counts as begun
    // `patience_ns` after it could have begun.
    [[nodiscard]] bool expire(Child& child, std::uint64_t now_ns, std::uint64_t patience_ns);
    // Prepares the end of the child that runs `task`, in the same way: `task` will end as `code`, cancelled or
    // worker_lost. False if `task` does not run.
    [[nodiscard]] bool end_running(const TaskPtr& task, Code code);
    // The child that runs `task`; null if it does not run or is a group.
    [[nodiscard]] Child* runner_of(const Task& task) const;
    // The time at which share_out() is due; 0: it is not due.
    [[nodiscard]] std::uint64_t balance_at_ns() const noexcept { return balance_at_ns_; }
    // Moves tasks that wait behind unexpectedly long ones to idle sub-workers.
    void share_out();
    // Withdraws the tasks of `run` that have not begun.
    void cancel(Run& run);
    // Withdraws one task of a stream. False if it has begun or ended.
    bool cancel(const TaskPtr& task);

    // The number of accepted tasks that have not ended.
    [[nodiscard]] std::uint64_t pending() const noexcept { return pending_; }
    // Whether a completion could release or dispatch a task: only then must a thread drain while no caller waits.
    [[nodiscard]] bool needs_progress() const noexcept { return blocked_ + queued_ > 0; }
    // Whether tasks that any sub-worker may run wait for room in a lane.
    [[nodiscard]] bool any_waits_for_subs() const noexcept { return !sub_queue_.empty(); }
    // How many of the child's first frames in flight change nothing when they succeed, except counts: no task waits for
    // them alone or together with others, and no run ends with them. Valid until the next event.
    [[nodiscard]] std::size_t unheeded(const Child& child) const;
    // The frame at whose end a driver has to be awake if it waits for the end of a task or of a run; 0: from now on. It
    // may sleep through the completions of earlier frames.
    [[nodiscard]] std::uint64_t ring_from(const Child& child) const;
    // Whether tasks of streams have ended since the last call.
    [[nodiscard]] bool take_stream_moved() noexcept { return std::exchange(stream_moved_, false); }
    [[nodiscard]] const TaskCounts& counts() const noexcept { return counts_; }

    // For tests: a contradiction in the scheduler's data, or an empty string. `runs` are all runs with unended tasks.
    // Takes time: reads every task.
    [[nodiscard]] std::string contradiction(std::span<const RunPtr> runs) const;
    // For tests, after drain(): a task that waits though a child could take it, or an empty string.
    [[nodiscard]] std::string starvation() const;

    std::vector<TaskSpan> task_spans;
    std::vector<CoreSpanOfTask> core_spans;

private:
    // Stands for an event. A run whose last task ends is kept until the event is over: the event may still use it.
    class Event {
    public:
        explicit Event(std::vector<RunPtr>& over) noexcept : over_(over) {}
        ~Event() { over_.clear(); }
        Event(const Event&) = delete;
        Event& operator=(const Event&) = delete;

    private:
        std::vector<RunPtr>& over_;
    };

    // scheduler.cpp
    [[nodiscard]] static Result<void> check_arguments(const Task& task);
    [[nodiscard]] Result<void> check_children(const Task& task) const;
    [[nodiscard]] std::size_t sub_workers_with_a_future() const;
    void begin_trace(Task& task) const;
    void collect_hazards(Run& run, const Task& task);
    void collect_unmet(Run& run, Task& task, const std::vector<TaskPtr>& after);

    // scheduler_launch.cpp
    [[nodiscard]] Result<void> check_launched(std::span<const Task> tasks) const;
    void begin_launched(Run& run);

    // scheduler_runs.cpp
    void hold(Run& run, Task& task);
    void finish(Run& run);
    void open(Run& run);

    // scheduler_dispatch.cpp
    void dispatch(Task& task);
    void dispatch_to_a_future(Task& task);
    [[nodiscard]] static bool takes(const Child& child);
    // The child in whose lane a task may follow its unmet predecessors, and whether the task can be put there now or
    // has to queue. Without a child, the task waits until its predecessors have ended.
    struct Behind {
        Child* child = nullptr;
        bool now = false;
    };
    [[nodiscard]] Behind behind(const Task& task, std::span<Task* const> predecessors) const;
    void push_behind(Child& child, Task& task, std::span<Task* const> predecessors);
    void queue_behind(Child& child, Task& task, std::span<Task* const> predecessors);
    void push_follower(Child& child, Task& task);
    void push(Child& child, Task& task, std::span<Task* const> predecessors);
    void feed(Child& child);
    // Wakes a child for new frames, or in a burst notes that it is to be woken at the end.
    void wake(Child& child);
    [[nodiscard]] Child& child_of(const Task& task) const {
        return *children_[static_cast<std::size_t>(task.placement)];
    }

    // scheduler_ring.cpp
    [[nodiscard]] static bool matters(const Task& task, const Task* next);
    [[nodiscard]] bool is_listened_to(const Child& child) const;

    // scheduler_subs.cpp
    void feed_subs();
    [[nodiscard]] std::uint64_t wake_ns(std::size_t busy) const noexcept;
    void use_idle_subs();
    void balance_subs();
    void move_half(Child& from, Child& to);
    [[nodiscard]] Child* soonest_sub();

    // scheduler_groups.cpp
    [[nodiscard]] static bool is_group(const Task& task) noexcept { return !task.members.empty(); }
    [[nodiscard]] static Result<void> check_group(const Task& group);
    [[nodiscard]] bool group_waits_for_subs() const { return !sub_queue_.empty() && is_group(*sub_queue_.front()); }
    void queue_group(Task& group);
    bool start_group(Task& group);
    bool start_sub_group(Task& group);
    void begin_members(Task& group);
    void unqueue_group(Task& group);
    void end_member(Task& member, Code code, std::string&& payload);

    // scheduler_complete.cpp
    std::size_t drain_child(Child& child);
    // False if `completion` is not that of the frame that is due, or if the child cannot send it; `wrong` then
    // describes the error.
    [[nodiscard]] bool complete(Child& child, const Completion& completion, std::string& wrong);
    [[nodiscard]] bool take_spans(Child& child, const Task& task, const Completion& completion, std::string& wrong);
    // The payload is passed by reference: a move of the string at each call would take a tenth of a task's time.
    // These end the task: its run may not own it afterwards.
    void end_frame(Task& task, Code code, std::string&& payload);
    void end(Task& task, Code code, std::string&& payload);
    void end_one(Task& task, Code code, std::string&& payload);
    void settle();
    void release_successors(Task& task, Run& run);
    void release(Task& next, Task& ended);
    // The task because of which those behind a failed one are skipped.
    [[nodiscard]] static TaskPtr cause_in(Task& failed) {
        return failed.root_cause ? failed.root_cause : TaskPtr(&failed);
    }
    void count(Code code) noexcept;
    void record_span(Task& task);

    // scheduler_loss.cpp
    [[nodiscard]] static bool lane_is_damaged(const Child& child);
    bool begin_again(Task& task) noexcept;
    [[nodiscard]] static std::uint64_t begun_by(const Child& child, Task& task, std::uint64_t now_ns,
                                                std::uint64_t patience_ns) noexcept;
    [[nodiscard]] bool end_with_child(Child& child, Code code, const char* why);
    void requeue(Child& child, std::span<Task* const> tasks);
    void abandon(Task& task, const ChildEnd& end_of_child);
    bool withdraw(Task& task);
    void withdraw_waiting_members(Task& group);
    void feed_all();

    Surroundings& outside_;
    const std::size_t cores_;
    std::vector<ChildPtr> children_;
    std::deque<Task*> sub_queue_;  // tasks ready for any sub-worker, groups ready for several
    // Work lists of settle(), which would otherwise recurse as deep as the longest chain of tasks or of runs.
    std::vector<Task*> poisoned_;  // tasks to be skipped
    std::vector<RunPtr> opened_;   // runs whose last followed run has ended
    std::vector<RunPtr> over_;     // runs whose last task has ended in this event
    // Used by each submit; members, so that their memory is allocated once.
    std::vector<std::uint64_t> hazards_;  // the tasks that the submitted one must follow, in ascending order
    std::vector<Task*> unmet_;
    std::vector<Child*> to_wake_;  // at the end of the burst
    bool in_burst_ = false;
    std::uint64_t balance_at_ns_ = 0;
    std::uint64_t pending_ = 0;
    std::uint64_t blocked_ = 0;  // tasks that wait for predecessors
    std::uint64_t queued_ = 0;   // tasks that wait for room in a lane
    bool stream_moved_ = false;
    TaskCounts counts_;
};

}  // namespace callring
