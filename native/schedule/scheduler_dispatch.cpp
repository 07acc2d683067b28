// Scheduler: puts tasks into lanes and queues. The choice among sub-workers is in scheduler_subs.cpp.
#include <algorithm>
#include <cstring>
#include <utility>

#include "lane/frame.h"
#include "lane/predecessors.h"
#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring {

namespace {

std::uint32_t flags_of(const CallConfig& config) {
    return (config.trace >= 1 ? kFrameTraced : 0U) | (config.trace >= 2 ? kFrameCores : 0U) |
           (config.deadline_ns != 0 ? kFrameTimed : 0U) | (config.keeps ? kFrameKeeps : 0U);
}

}  // namespace

void Scheduler::dispatch(Task& task) {
    // A task that could run when it was accepted may have lost its children since.
    if (auto checked = check_children(task); !checked) {
        end(task, checked.error().code, std::string(checked.error().message));
        return;
    }
    dispatch_to_a_future(task);
}

// Dispatches a task that a child can run, now or later.
void Scheduler::dispatch_to_a_future(Task& task) {
    if (is_group(task)) {
        queue_group(task);
        return;
    }
    if (task.placement != kAnyChild) {
        Child& child = child_of(task);
        if (child.backlog.empty() && takes(child)) {
            push(child, task, {});
            wake(child);
            return;
        }
        task.state = TaskState::ready;
        ++queued_;
        child.backlog.push_back(&task);
        feed(child);
    } else {
        task.state = TaskState::ready;
        ++queued_;
        sub_queue_.push_back(&task);
        feed_subs();
    }
}

bool Scheduler::takes(const Child& child) {
    return child.takes_work() && !child.lane->full();
}

// A lane executes in order: if all unmet predecessors are in the lane of one child that may run the task, the task
// follows them there at once, without a round trip, and the child skips it if one of them fails. A task that only this
// child may run can also follow predecessors that still wait for the lane: it queues behind them. Of several successors
// that any sub-worker may run, one follows in the lane; the others wait, and go to the next free sub-worker.
Scheduler::Behind Scheduler::behind(const Task& task, std::span<Task* const> predecessors) const {
    if (predecessors.size() > kMaxDistanceInSet || is_group(task)) {
        return {};
    }
    const Task& first = *predecessors.front();
    const std::int32_t where = first.state == TaskState::dispatched ? first.child : first.placement;
    if (where == kAnyChild || (task.placement != kAnyChild && task.placement != where)) {
        return {};
    }
    Child& child = *children_[static_cast<std::size_t>(where)];
    if ((task.placement == kAnyChild && child.kind != ChildKind::sub) || !child.takes_work()) {
        return {};
    }
    bool all_in_lane = true;
    std::uint64_t oldest = child.lane->next_sequence();
    for (const Task* earlier : predecessors) {
        const bool in_lane = earlier->state == TaskState::dispatched && earlier->child == where;
        const bool in_queue = earlier->state == TaskState::ready && earlier->placement == where;
        if ((!in_lane && !in_queue) || is_group(*earlier) || earlier->group != nullptr) {
            return {};
        }
        if (task.placement == kAnyChild && earlier->followed) {
            return {};
        }
        all_in_lane = all_in_lane && in_lane;
        oldest = std::min(oldest, in_lane ? earlier->sequence : oldest);
    }
    if (!Predecessors::can_name(predecessors.size(), child.lane->next_sequence() - oldest)) {
        return {};
    }
    if (child.kind == ChildKind::sub && group_waits_for_subs()) {
        return {};  // a group waits until the lanes are empty
    }
    if (all_in_lane && child.backlog.empty() && !child.lane->full()) {
        return {&child, true};
    }
    return task.placement == kAnyChild ? Behind{} : Behind{&child, false};
}

void Scheduler::push_behind(Child& child, Task& task, std::span<Task* const> predecessors) {
    for (Task* earlier : predecessors) {
        earlier->followed = true;
    }
    push(child, task, predecessors);
    wake(child);
}

void Scheduler::queue_behind(Child& child, Task& task, std::span<Task* const> predecessors) {
    task.state = TaskState::ready;
    task.predecessors.assign(predecessors.begin(), predecessors.end());
    ++queued_;
    child.backlog.push_back(&task);
}

// Dispatches a queued task that has come to the front: it goes into the lane behind its predecessors. If one of them
// has failed, it ends; if one has left the lane meanwhile, it waits for that one.
void Scheduler::push_follower(Child& child, Task& task) {
    const std::vector<Task*> unmet = std::exchange(task.predecessors, {});
    if (task.root_cause) {
        end(task, Code::skipped, {});
        return;
    }
    const std::uint64_t sequence = child.lane->next_sequence();
    const bool all_in_lane = std::all_of(unmet.begin(), unmet.end(), [&](const Task* earlier) {
        return earlier->state == TaskState::dispatched && earlier->child == static_cast<std::int32_t>(child.index) &&
               Predecessors::can_name(unmet.size(), sequence - earlier->sequence);
    });
    if (!all_in_lane) {
        task.state = TaskState::blocked;
        ++blocked_;
        return;
    }
    push(child, task, unmet);
}

void Scheduler::push(Child& child, Task& task, std::span<Task* const> predecessors) {
    Frame& frame = child.lane->reserve();
    frame.run = task.run_id;
    frame.retries = task.config.retries;
    frame.config = FrameConfig{task.config.block_count, flags_of(task.config), {}};
    const std::uint64_t sequence = child.lane->next_sequence();
    if (!predecessors.empty()) {
        task.in_lane.name(predecessors.size(), [&](std::size_t i) { return sequence - predecessors[i]->sequence; });
        frame.config.predecessors = task.in_lane.words;
        frame.config.flags |= task.in_lane.many ? kFrameManyPredecessors : 0U;
    }
    frame.digest = task.callable->spec.digest;
    if (task.opaque) {
        frame.config.flags |= kFrameOpaque;
    }
    if (task.spill) {
        frame.config.flags |= kFrameSpilled;
        const SpillRecord spill{task.spill->arena_id(), task.argument_bytes, task.spill->offset()};
        std::memcpy(frame.arguments.data(), &spill, sizeof spill);
    } else {
        encode_arguments(*task.args, frame.arguments);
        if (task.rescaled) {
            task.run->graph->put_scalars(static_cast<NodeId>(task.id), task.run->scalars, frame.arguments);
        }
    }
    if (task.times) {
        task.times->dispatch_ns = outside_.now_ns();
    }
    task.state = TaskState::dispatched;
    task.child = static_cast<std::int32_t>(child.index);
    task.sequence = sequence;
    task.begun_by_ns = 0;
    if (child.in_flight.empty()) {
        child.busy_since_ns = outside_.now_ns();
    }
    child.in_flight.push_back(&task);
    child.lane->publish();
    if (task.config.deadline_ns != 0) {
        // The task begins now at the earliest.
        const std::uint64_t earliest = outside_.now_ns() + task.config.deadline_ns;
        if (child.look_at_ns == 0 || earliest < child.look_at_ns) {
            child.look_at_ns = earliest;
            outside_.on_deadline_set(earliest);
        }
    }
}

void Scheduler::wake(Child& child) {
    if (!in_burst_) {
        outside_.wake(child);
    } else if (!std::exchange(child.to_be_woken, true)) {
        to_wake_.push_back(&child);
    }
}

void Scheduler::end_burst() {
    in_burst_ = false;
    for (Child* child : to_wake_) {
        child->to_be_woken = false;
        outside_.wake(*child);
    }
    to_wake_.clear();
}

void Scheduler::feed(Child& child) {
    bool pushed = false;
    while (!child.backlog.empty() && takes(child)) {
        Task& task = *child.backlog.front();
        if (task.group != nullptr && task.group->state == TaskState::ready) {
            if (!start_group(*task.group)) {
                break;
            }
            continue;
        }
        child.backlog.pop_front();
        --queued_;
        if (task.predecessors.empty() && !task.root_cause) {
            push(child, task, {});
        } else {
            push_follower(child, task);
        }
        pushed = true;
    }
    if (pushed) {
        wake(child);
    }
}

}  // namespace callring
