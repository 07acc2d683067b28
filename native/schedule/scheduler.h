// Scheduler: what runs where and when. Tensors become hazards, hazards edges; what has no unmet edge is dispatched.
// Its parts: scheduler.cpp (accepting), scheduler_dispatch.cpp (when), scheduler_subs.cpp (on which sub-worker),
// scheduler_groups.cpp (what begins together), scheduler_complete.cpp (completions and what they release),
// scheduler_launch.cpp (captured graphs), scheduler_runs.cpp (runs that follow others),
// scheduler_loss.cpp (deaths, deadlines, cancelling), scheduler_invariants.cpp (checks of all this, for tests).
//
// Guarantees: a task runs after everything it depends on; it is begun at most once, and once more for each of its
// retries; a failed task's dependents are never executed; every accepted task ends (done, failed, lost, skipped or
// cancelled); a run that follows others begins nothing before they have ended. Takes no lock, and makes no system call
// but to map a large result: the world outside of its memory and of the lanes it reaches through its Surroundings.
// Not thread-safe: the engine's lock orders all calls.
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
#include "task/task.h"

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

// Tasks by what became of them; a group is one task.
struct TaskCounts {
    std::uint64_t accepted = 0;
    std::uint64_t done = 0;
    std::uint64_t failed = 0;  // in whatever way but those below
    std::uint64_t lost = 0;    // with their child, also one that was given up
    std::uint64_t timed_out = 0;
    std::uint64_t skipped = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t begun_again = 0;  // retries that were used
};

class Scheduler {
public:
    // `cores` are shared by all children.
    Scheduler(Surroundings& outside, std::size_t cores) : outside_(outside), cores_(cores) {}

    void add_child(ChildPtr child);
    [[nodiscard]] const std::vector<ChildPtr>& children() const noexcept { return children_; }

    // Accepts a task into `run`, after the tasks that its tensors and `after` name. Refused: given_up when no child
    // will ever run it any more; invalid_argument where none ever could, for a group whose members write the same
    // bytes, or a tensor whose scope has ended.
    Result<void> submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after);
    // From here to end_burst() children are not woken: the first frame of many would wake each of them to find only
    // that one, and on few cores they would take turns with the thread that makes the others.
    void begin_burst() noexcept { in_burst_ = true; }
    void end_burst();

    // Accepts the tasks of a launch, all or, on an error, none. Errors: as submit.
    Result<void> launch(const RunPtr& run);
    // Orders `run`, which has no task yet, behind `earlier`; if `poisoned`, it is skipped unless that ends well.
    void follow(const RunPtr& run, const RunPtr& earlier, bool poisoned);
    // No more submits for `run`.
    void seal(Run& run);

    // Takes all completions of all lanes and dispatches what they release. Returns how many tasks ended.
    std::size_t drain();
    // A child's process has ended: the task that it ran is lost, or begins again if it has retries left; what had not
    // begun waits for the replacement, or moves.
    void child_lost(Child& child, const ChildEnd& end);
    // A child takes work from now on, or again.
    void child_ready(Child& child);
    // A child will not be replaced (its state says so): what only it could run is lost.
    void give_up(Child& child, const ChildEnd& end);
    // Looks at the deadlines of what is in flight on `child`. True: what it runs has exceeded its own, everything else
    // was taken back, and the child has to be ended. `look_at_ns` says when to look again. A child that has not noted
    // that it began the first task of its lane counts as having begun it `patience_ns` after it could.
    [[nodiscard]] bool expire(Child& child, std::uint64_t now_ns, std::uint64_t patience_ns);
    // The same for a task that is to end as `code`, cancelled or worker_lost, though it runs. False: it does not.
    [[nodiscard]] bool end_running(const TaskPtr& task, Code code);
    // The child that runs `task`, which is no group; null if none does.
    [[nodiscard]] Child* runner_of(const Task& task) const;
    // When share_out() is due; 0: it is not.
    [[nodiscard]] std::uint64_t balance_at_ns() const noexcept { return balance_at_ns_; }
    // Gives idle sub-workers what waits behind tasks that take longer than was expected.
    void share_out();
    // Withdraws what has not begun of `run`.
    void cancel(Run& run);
    // Withdraws one task of a stream, which no other follows. False: it has begun, or has ended.
    bool cancel(const TaskPtr& task);

    // Tasks that were accepted and have not ended.
    [[nodiscard]] std::uint64_t pending() const noexcept { return pending_; }
    // Whether a completion could release or dispatch something: only then must a thread drain while none waits.
    [[nodiscard]] bool needs_progress() const noexcept { return blocked_ + queued_ > 0; }
    // Whether tasks of streams have ended since the last call.
    [[nodiscard]] bool take_stream_moved() noexcept { return std::exchange(stream_moved_, false); }
    [[nodiscard]] const TaskCounts& counts() const noexcept { return counts_; }

    // For tests: where what is noted of tasks contradicts itself; empty if nothing does. `runs` are all that have tasks
    // which have not ended, but streams. Takes time: looks at every task.
    [[nodiscard]] std::string contradiction(std::span<const RunPtr> runs) const;
    // For tests, after drain(): what waits though a child could take it; empty if nothing does.
    [[nodiscard]] std::string starvation() const;

    std::vector<TaskSpan> task_spans;
    std::vector<CoreSpanOfTask> core_spans;

private:
    // scheduler.cpp
    [[nodiscard]] static Result<void> check_arguments(const Task& task);
    [[nodiscard]] Result<void> check_children(const Task& task) const;
    [[nodiscard]] std::size_t sub_workers_with_a_future() const;
    void begin_trace(Task& task) const;
    void collect_hazards(Run& run, const Task& task);
    void collect_unmet(const Run& run, Task& task, const std::vector<TaskPtr>& after);

    // scheduler_launch.cpp
    [[nodiscard]] Result<void> check_launched(const Run& run) const;
    [[nodiscard]] static TaskPtr launched_task(const Run& run, std::uint64_t id);
    void begin_launched(const Run& run);

    // scheduler_runs.cpp
    void hold(Run& run, const TaskPtr& task);
    void finish(Run& run);
    void open(Run& run);

    // scheduler_dispatch.cpp
    // By value, as far as it is kept: each copy of a pointer that several threads share is an atomic operation.
    void dispatch(TaskPtr task);
    void dispatch_to_a_future(TaskPtr task);
    [[nodiscard]] static bool takes(const Child& child);
    // The child in whose lane a task may follow its unmet predecessors, and whether it can be put there now; else it
    // queues. No child: it waits until they have ended.
    struct Behind {
        Child* child = nullptr;
        bool now = false;
    };
    [[nodiscard]] Behind behind(const Task& task, std::span<Task* const> predecessors) const;
    void push_behind(Child& child, TaskPtr task, std::span<Task* const> predecessors);
    void queue_behind(Child& child, TaskPtr task, std::vector<TaskPtr> predecessors);
    void push_follower(Child& child, TaskPtr task);
    void push(Child& child, TaskPtr pushed, std::span<Task* const> predecessors);
    [[nodiscard]] std::span<Task* const> bare(std::span<const TaskPtr> tasks);
    void feed(Child& child);
    // Tells a child of new frames: at once, or when the burst that is under way ends.
    void wake(Child& child);
    [[nodiscard]] Child& child_of(const Task& task) const {
        return *children_[static_cast<std::size_t>(task.placement)];
    }

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
    void queue_group(const TaskPtr& group);
    bool start_group(const TaskPtr& group);
    bool start_sub_group(const TaskPtr& group);
    void begin_members(const TaskPtr& group);
    void unqueue_group(const TaskPtr& group);
    void end_member(const TaskPtr& member, Code code, std::string&& payload);

    // scheduler_complete.cpp
    std::size_t drain_child(Child& child);
    // False if it is no completion of the frame that is due, or says what its child cannot say of it: `wrong` is what.
    [[nodiscard]] bool complete(Child& child, const Completion& completion, std::string& wrong);
    [[nodiscard]] bool take_spans(Child& child, const Task& task, const Completion& completion, std::string& wrong);
    // The payload goes through these by reference: a move of a string at each would be a tenth of what a task takes.
    void end_frame(const TaskPtr& task, Code code, std::string&& payload);
    void end(const TaskPtr& task, Code code, std::string&& payload);
    void settle();
    void end_one(const TaskPtr& task, Code code, std::string&& payload);
    void release_successors(const TaskPtr& task, const Run& run);
    enum class Release : std::uint8_t { nothing, dispatch, poison };
    [[nodiscard]] Release meet(Task& next, const TaskPtr& ended);
    void release(TaskPtr next, Release as);
    void count(Code code) noexcept;
    void record_span(Task& task);

    // scheduler_loss.cpp
    [[nodiscard]] static bool lane_is_damaged(const Child& child);
    bool begin_again(Task& task) noexcept;
    [[nodiscard]] static std::uint64_t begun_by(const Child& child, Task& task, std::uint64_t now_ns,
                                                std::uint64_t patience_ns) noexcept;
    [[nodiscard]] bool end_with_child(Child& child, Code code, const char* why);
    void requeue(Child& child, const std::vector<TaskPtr>& tasks);
    void abandon(const TaskPtr& task, const ChildEnd& end_of_child);
    void collect_accepted(const Run& run, std::vector<TaskPtr>& tasks) const;
    bool withdraw(const TaskPtr& task);
    void feed_all();

    Surroundings& outside_;
    const std::size_t cores_;
    std::vector<ChildPtr> children_;
    std::deque<TaskPtr> sub_queue_;  // ready for any sub-worker, or for several at once
    // Work lists of settle(). A chain of dependents can be as long as the graph, and one of runs as their number.
    std::vector<TaskPtr> poisoned_;  // to be skipped; some more than once
    std::vector<RunPtr> opened_;     // the last run that they followed has ended
    // Of the submit that is under way; members, so that the next one finds room.
    std::vector<std::uint64_t> hazards_;  // tasks that it must follow, ascending
    std::vector<TaskPtr> unmet_;
    std::vector<Task*> bare_;
    std::vector<Child*> to_wake_;  // when the burst ends
    bool in_burst_ = false;
    std::uint64_t balance_at_ns_ = 0;
    std::uint64_t pending_ = 0;
    std::uint64_t blocked_ = 0;  // wait for predecessors
    std::uint64_t queued_ = 0;   // wait for room in a lane
    bool stream_moved_ = false;
    TaskCounts counts_;
};

}  // namespace callring
