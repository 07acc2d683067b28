// Scheduler: deaths, deadlines and cancelling, which end tasks from outside.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "schedule/scheduler.h"

namespace callring {

namespace {

const Run& run_of(const Task& task) noexcept {
    return task.group != nullptr ? *task.group->run : *task.run;
}

}  // namespace

void Scheduler::child_lost(Child& child, const ChildEnd& end) {
    const Event event(over_);
    const bool known = child.lane_damaged;  // then `end` has the reason
    drain_child(child);
    child.look_at_ns = 0;
    const bool damaged = std::exchange(child.lane_damaged, false) || lane_is_damaged(child);
    const Task* const first = child.in_flight.empty() ? nullptr : child.in_flight.front();
    std::vector<Task*> back;
    std::vector<Task*> over;
    for (Task* task : std::exchange(child.in_flight, {})) {
        // In a damaged lane the first frame counts as begun, whatever its bytes are: it was executing when the damage
        // happened. A child claims a successor of a failed task only to skip it.
        const bool begun = !task->root_cause && (child.lane->claimed(task->sequence) ||
                                                 child.lane->passed(task->sequence) || (damaged && task == first));
        if (!begun && !task->root_cause && task->ended_as == Code::ok && run_of(*task).cancelled) {
            task->ended_as =
                Code::cancelled;  // cancel() left it in the lane: its group had begun, or its frame is damaged
        }
        if (task->ended_as != Code::ok || (begun && !begin_again(*task))) {
            over.push_back(task);
        } else {
            back.push_back(task);
        }
    }
    // Done before the first task ends: tasks that its end skips or releases must not seem to be in the lost lane.
    requeue(child, back);
    ChildEnd as_seen = end;
    as_seen.wrote_over_lane = damaged && !known;
    as_seen.crashed_in = damaged || end.status.signal == 0 ? std::nullopt : child.lane->crashed_in();
    for (Task* task : over) {
        const Code code = task->ended_as == Code::ok ? Code::worker_lost : task->ended_as;
        if (code == Code::worker_lost) {
            task->child_end = std::make_unique<const ChildEnd>(as_seen);
        }
        end_frame(*task, code, {});
    }
    if (!sub_queue_.empty()) {
        feed_subs();
    }
}

bool Scheduler::lane_is_damaged(const Child& child) {
    return !child.lane->intact() ||
           std::any_of(child.in_flight.begin(), child.in_flight.end(),
                       [&child](const Task* task) { return !child.lane->intact(task->sequence); });
}

// Whether a task that had begun when its child died may begin again, which uses up one retry. A cancelled run begins no
// more tasks.
bool Scheduler::begin_again(Task& task) noexcept {
    if (task.config.retries == 0 || run_of(task).cancelled) {
        return false;
    }
    --task.config.retries;
    ++counts_.begun_again;
    return true;
}

// Puts tasks whose frames have left a lane back in front of the waiting tasks, in their order. Tasks that are to be
// skipped end after all others were put back.
void Scheduler::requeue(Child& child, std::span<Task* const> tasks) {
    // NOLINTNEXTLINE(modernize-loop-convert): clang 14, which builds the fuzzers, cannot read std::views::reverse
    for (auto it = tasks.rbegin(); it != tasks.rend(); ++it) {
        Task* const task = *it;
        task->followed = false;
        task->requeued = true;
        task->begun_by_ns = 0;
        if (task->root_cause || task->unmet > 0) {
            task->state = TaskState::blocked;
            blocked_ += task->unmet > 0 ? 1 : 0;
            if (task->root_cause) {
                poisoned_.push_back(task);
            }
        } else {
            task->state = TaskState::ready;
            ++queued_;
            (task->placement == kAnyChild ? sub_queue_ : child.backlog).push_front(task);
        }
    }
    settle();
}

void Scheduler::child_ready(Child& child) {
    const Event event(over_);
    feed(child);
    if (child.kind == ChildKind::sub) {
        feed_subs();
        use_idle_subs();
    }
}

void Scheduler::give_up(Child& child, const ChildEnd& end) {
    const Event event(over_);
    for (Task* task : std::exchange(child.backlog, {})) {
        --queued_;
        abandon(*task, end);
    }
    if (child.kind != ChildKind::sub) {
        return;
    }
    const std::size_t left = sub_workers_with_a_future();
    for (Task* task : std::deque<Task*>(sub_queue_)) {
        if (left < std::max<std::size_t>(1, task->members.size()) && task->state == TaskState::ready) {
            queued_ -= std::erase(sub_queue_, task);
            abandon(*task, end);
        }
    }
    feed_subs();  // a group that will never begin may have held up other tasks
}

// Ends a task that was removed from a queue because its child was given up. A group that has not begun ends as a whole;
// of a group that has begun, only this member ends.
void Scheduler::abandon(Task& task, const ChildEnd& end_of_child) {
    Task* const group = task.group;
    if (task.root_cause) {
        end(task, Code::skipped, {});
    } else if (group == nullptr) {
        task.child_end = std::make_unique<const ChildEnd>(end_of_child);
        end(task, Code::given_up, {});
    } else if (group->state == TaskState::ready) {
        unqueue_group(*group);
        group->child_end = std::make_unique<const ChildEnd>(end_of_child);
        end(*group, Code::given_up, {});
    } else if (group->state == TaskState::dispatched) {
        task.child_end = std::make_unique<const ChildEnd>(end_of_child);
        end_member(task, Code::given_up, {});
    }
}

// When the first task in flight began. Its child notes the time in the lane, but may note none, or a later one again
// and again: the earliest noted time counts. A time in the future counts as the time when the child became busy.
std::uint64_t Scheduler::begun_by(const Child& child, Task& task, std::uint64_t now_ns,
                                  std::uint64_t patience_ns) noexcept {
    if (const auto noted = child.lane->begun_ns(task.sequence)) {
        const std::uint64_t begun = *noted > now_ns ? child.busy_since_ns : *noted;
        task.begun_by_ns = task.begun_by_ns == 0 ? begun : std::min(task.begun_by_ns, begun);
    }
    const std::uint64_t unnoted = std::min(now_ns, child.busy_since_ns + patience_ns);
    return task.begun_by_ns == 0 ? unnoted : task.begun_by_ns;
}

bool Scheduler::expire(Child& child, std::uint64_t now_ns, std::uint64_t patience_ns) {
    const Event event(over_);
    child.look_at_ns = 0;
    if (!child.takes_work()) {
        return false;
    }
    bool overdue = false;
    for (Task* task : child.in_flight) {
        if (task->config.deadline_ns == 0) {
            continue;
        }
        // Frames are executed in order: only the first one can have begun. The others begin now at the earliest.
        const bool first = task == child.in_flight.front();
        const std::uint64_t begun = first ? begun_by(child, *task, now_ns, patience_ns) : now_ns;
        const std::uint64_t expiry = begun + task->config.deadline_ns;
        overdue = overdue || expiry <= now_ns;
        if (child.look_at_ns == 0 || expiry < child.look_at_ns) {
            child.look_at_ns = expiry;
        }
    }
    if (!overdue) {
        return false;
    }
    if (end_with_child(child, Code::task_timeout, "a task exceeded its deadline")) {
        return true;
    }
    child.look_at_ns = now_ns;  // the first task has just ended: the other tasks are checked next
    return false;
}

Child* Scheduler::runner_of(const Task& task) const {
    if (task.state != TaskState::dispatched || is_group(task)) {
        return nullptr;
    }
    Child& child = *children_[static_cast<std::size_t>(task.child)];
    return child.takes_work() && child.in_flight.front() == &task && child.lane->claimed(task.sequence) ? &child
                                                                                                        : nullptr;
}

bool Scheduler::end_running(const TaskPtr& task, Code code) {
    const Event event(over_);
    Child* child = runner_of(*task);
    return child != nullptr && end_with_child(*child, code, "its task was ended");
}

// Prepares the end of `child`, with which its running task will end as `code`. Returns false if that task has just
// ended: then the child goes on.
bool Scheduler::end_with_child(Child& child, Code code, const char* why) {
    // The other frames are revoked first: the child must not begin one of them and then be killed because of the task
    // before it.
    Task* const first = child.in_flight.front();
    // From the back, so that no task runs whose predecessor in this lane was revoked.
    std::vector<Task*> back;
    while (child.in_flight.back() != first && child.lane->revoke(child.in_flight.back()->sequence)) {
        back.push_back(child.in_flight.back());
        child.in_flight.pop_back();
    }
    std::reverse(back.begin(), back.end());
    const bool runs = !child.lane->has_completions();
    if (runs) {
        first->ended_as = code;
        child.condemned = why;
        child.ended_for_task = true;
    }
    requeue(child, back);
    return runs;
}

void Scheduler::cancel(Run& run) {
    const Event event(over_);
    run.cancelled = true;
    std::vector<Task*> tasks;
    run.tasks.for_each([&tasks](Task& task) {
        if (task.state != TaskState::ended) {
            tasks.push_back(&task);
        }
    });
    // Newest first: no task begins whose predecessor in its lane was withdrawn, and a queue shrinks from its end.
    std::sort(tasks.begin(), tasks.end(), [](const Task* a, const Task* b) { return a->id > b->id; });
    for (Task* task : tasks) {
        if (is_group(*task) && task->state == TaskState::dispatched) {
            withdraw_waiting_members(*task);
        } else {
            static_cast<void>(withdraw(*task));
        }
    }
    feed_all();
}

// A group begins as a whole, and ends as one. Only members that left a lane with its child are withdrawn: they wait for
// the replacement, or lie in its lane, and would begin there.
void Scheduler::withdraw_waiting_members(Task& group) {
    for (const TaskPtr& member : group.members) {
        if (!member->requeued || member->state == TaskState::ended) {
            continue;
        }
        Child& child = child_of(*member);
        if (member->state == TaskState::ready) {
            queued_ -= std::erase(child.backlog, member.get());
        } else if (child.lane->revoke(member->sequence)) {
            std::erase(child.in_flight, member.get());
        } else {
            continue;
        }
        end_member(*member, Code::cancelled, {});
    }
}

bool Scheduler::cancel(const TaskPtr& task) {
    const Event event(over_);
    const bool withdrawn = withdraw(*task);
    if (withdrawn) {
        feed_all();
    }
    return withdrawn;
}

bool Scheduler::withdraw(Task& task) {
    const auto take_out = [&task](std::deque<Task*>& queue) {
        const auto found = std::find(queue.rbegin(), queue.rend(), &task);
        queue.erase(std::next(found).base());
    };
    switch (task.state) {
        case TaskState::ended:
            return false;
        case TaskState::blocked:
            break;
        case TaskState::dispatched: {
            if (is_group(task)) {
                return false;  // a group begins as a whole
            }
            Child& child = *children_[static_cast<std::size_t>(task.child)];
            if (!child.lane->revoke(task.sequence)) {
                return false;  // it has begun and will end by itself
            }
            take_out(child.in_flight);
            break;
        }
        case TaskState::ready:
            if (is_group(task)) {
                unqueue_group(task);
                break;
            }
            take_out(task.placement == kAnyChild ? sub_queue_ : child_of(task).backlog);
            --queued_;
            break;
    }
    end(task, Code::cancelled, {});
    return true;
}

// Dispatches tasks that waited behind withdrawn ones.
void Scheduler::feed_all() {
    for (const ChildPtr& child : children_) {
        feed(*child);
    }
    feed_subs();
    use_idle_subs();
}

}  // namespace callring
