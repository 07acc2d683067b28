// Scheduler: which child takes a task, and when.
#include <algorithm>
#include <cstring>
#include <utility>

#include "common/clock.h"
#include "lane/frame.h"
#include "schedule/scheduler.h"

namespace callring {

namespace {

std::uint32_t flags_of(const CallConfig& config) {
    return (config.trace >= 1 ? kFrameTraced : 0U) | (config.trace >= 2 ? kFrameCores : 0U) |
           (config.deadline_ns != 0 ? kFrameTimed : 0U);
}

}  // namespace

void Scheduler::dispatch(const TaskPtr& task) {
    // What could run when it was accepted may have lost its children since.
    if (auto checked = check_children(*task); !checked) {
        end(task, checked.error().code, checked.error().message);
        return;
    }
    if (is_group(*task)) {
        queue_group(task);
        return;
    }
    task->state = TaskState::ready;
    ++queued_;
    if (task->placement != kAnyChild) {
        Child& child = child_of(*task);
        child.backlog.push_back(task);
        feed(child);
    } else {
        sub_queue_.push_back(task);
        feed_subs();
    }
}

// A lane executes in order: when all unmet predecessors are in flight on one child that may run the task, it follows
// them at once, without a round trip, and the child skips it if one of them fails.
bool Scheduler::dispatch_behind_predecessors(const TaskPtr& task, const std::vector<TaskPtr>& predecessors) {
    if (predecessors.size() > kMaxPredecessors || is_group(*task)) {
        return false;
    }
    const std::int32_t where = predecessors.front()->child;
    for (const TaskPtr& earlier : predecessors) {
        if (earlier->state != TaskState::dispatched || earlier->child != where || is_group(*earlier)) {
            return false;
        }
    }
    Child& child = *children_[static_cast<std::size_t>(where)];
    const bool allowed = task->placement == kAnyChild ? child.kind == ChildKind::sub : task->placement == where;
    if (!allowed || !child.takes_work() || !child.backlog.empty() ||
        !child.ledger.usable(task->callable->spec.digest)) {
        return false;
    }
    if (child.kind == ChildKind::sub && group_waits_for_subs()) {
        return false;  // the lanes run empty for it
    }
    const std::uint64_t oldest =
        std::min_element(predecessors.begin(), predecessors.end(),
                         [](const TaskPtr& a, const TaskPtr& b) { return a->sequence < b->sequence; })
            ->get()
            ->sequence;
    if (child.lane->next_sequence() - oldest > kMaxPredecessorDistance || child.lane->full()) {
        return false;
    }
    task->pinned = true;
    push(child, task, predecessors);
    child.lane->wake();
    return true;
}

void Scheduler::push(Child& child, const TaskPtr& task, const std::vector<TaskPtr>& predecessors) {
    Frame& frame = child.lane->reserve();
    frame.run = task->run_id;
    frame.config = FrameConfig{task->config.block_count, flags_of(task->config), {}};
    for (std::size_t i = 0; i < predecessors.size(); ++i) {
        frame.config.predecessors.at(i) = static_cast<std::uint32_t>(frame.sequence - predecessors[i]->sequence);
    }
    frame.digest = task->callable->spec.digest;
    if (task->opaque) {
        frame.config.flags |= kFrameOpaque;
    }
    if (task->spill) {
        frame.config.flags |= kFrameSpilled;
        const SpillRecord spill{task->spill->arena_id(), task->argument_bytes, task->spill->offset()};
        std::memcpy(frame.arguments.data(), &spill, sizeof spill);
    } else {
        encode_arguments(task->args, frame.arguments);
    }
    if (task->times) {
        task->times->dispatch_ns = now_ns();
    }
    task->state = TaskState::dispatched;
    task->child = static_cast<std::int32_t>(child.index);
    task->sequence = frame.sequence;
    child.in_flight.push_back(task);
    child.lane->publish();
    if (task->config.deadline_ns != 0) {
        // It begins now at the earliest.
        const std::uint64_t earliest = now_ns() + task->config.deadline_ns;
        if (child.look_at_ns == 0 || earliest < child.look_at_ns) {
            child.look_at_ns = earliest;
            on_deadline_set(earliest);
        }
    }
}

void Scheduler::feed(Child& child) {
    bool pushed = false;
    while (child.takes_work() && !child.backlog.empty() && !child.lane->full() &&
           child.ledger.usable(child.backlog.front()->callable->spec.digest)) {
        const TaskPtr group = child.backlog.front()->group;
        if (group && group->state == TaskState::ready) {
            if (!start_group(group)) {
                break;
            }
            continue;
        }
        const TaskPtr task = std::move(child.backlog.front());
        child.backlog.pop_front();
        --queued_;
        push(child, task, {});
        pushed = true;
    }
    if (pushed) {
        child.lane->wake();
    }
}

Child* Scheduler::least_busy_sub(const Digest& digest) {
    Child* best = nullptr;
    for (const ChildPtr& child : children_) {
        if (child->kind == ChildKind::sub && child->takes_work() && !child->lane->full() &&
            child->ledger.usable(digest) && (best == nullptr || child->in_flight.size() < best->in_flight.size())) {
            best = child.get();
        }
    }
    return best;
}

void Scheduler::feed_subs() {
    while (!sub_queue_.empty()) {
        if (group_waits_for_subs()) {
            if (!start_sub_group(sub_queue_.front())) {
                return;
            }
            continue;
        }
        Child* child = least_busy_sub(sub_queue_.front()->callable->spec.digest);
        if (child == nullptr) {
            return;
        }
        const TaskPtr task = std::move(sub_queue_.front());
        sub_queue_.pop_front();
        --queued_;
        push(*child, task, {});
        child->lane->wake();
    }
}

// A frame queued behind a long task must not wait while another sub-worker idles: the idle one takes half of what the
// busiest has not begun. Revoking is a compare-and-swap on the frame, so nothing can run twice.
void Scheduler::balance_subs() {
    for (const ChildPtr& idle : children_) {
        if (idle->kind != ChildKind::sub || !idle->takes_work() || !idle->in_flight.empty()) {
            continue;
        }
        Child* busiest = nullptr;
        for (const ChildPtr& child : children_) {
            if (child->kind == ChildKind::sub && child->takes_work() && child->in_flight.size() > 1 &&
                (busiest == nullptr || child->in_flight.size() > busiest->in_flight.size())) {
                busiest = child.get();
            }
        }
        if (busiest == nullptr) {
            return;
        }
        std::vector<TaskPtr> moved;
        const std::size_t share = busiest->in_flight.size() / 2;
        while (moved.size() < share && !busiest->in_flight.back()->pinned &&
               idle->ledger.usable(busiest->in_flight.back()->callable->spec.digest) &&
               busiest->lane->revoke(busiest->in_flight.back()->sequence)) {
            moved.push_back(std::move(busiest->in_flight.back()));
            busiest->in_flight.pop_back();
        }
        std::reverse(moved.begin(), moved.end());
        for (const TaskPtr& task : moved) {
            push(*idle, task, {});
        }
        if (!moved.empty()) {
            idle->lane->wake();
        }
    }
}

}  // namespace callring
