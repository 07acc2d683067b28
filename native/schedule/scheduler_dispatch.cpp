// Scheduler: which child takes a task, and when.
#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "lane/frame.h"
#include "lane/spin.h"
#include "schedule/scheduler.h"

namespace callring {

namespace {

// About what waking a child on another core takes; and what it has to be worth where it must share a core with others
// that are busy, which does no good to tasks that compute.
constexpr std::uint64_t kWakeNs = AdaptiveSpin::kMostNs;
constexpr std::uint64_t kCrowdedWakeNs = 4 * kWakeNs;
// How long a task may wait behind another that was expected to be short, before what waits is shared out.
constexpr std::uint64_t kPatienceNs = 1'000'000;

// How many frames that cannot move are gone over to find others: a long chain is not gone through again and again.
constexpr std::size_t kLook = 64;

std::uint64_t wake_ns(std::size_t busy) {
    static const std::size_t cores = std::thread::hardware_concurrency();
    return busy < cores ? kWakeNs : kCrowdedWakeNs;
}

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
    dispatch_to_a_future(task);
}

// Somebody can run it, now or later.
void Scheduler::dispatch_to_a_future(const TaskPtr& task) {
    if (is_group(*task)) {
        queue_group(task);
        return;
    }
    if (task->placement != kAnyChild) {
        Child& child = child_of(*task);
        if (child.backlog.empty() && takes(child, *task)) {
            push(child, task, {});
            wake(child);
            return;
        }
        task->state = TaskState::ready;
        ++queued_;
        child.backlog.push_back(task);
        feed(child);
    } else {
        task->state = TaskState::ready;
        ++queued_;
        sub_queue_.push_back(task);
        feed_subs();
    }
}

bool Scheduler::takes(const Child& child, const Task& task) {
    return child.takes_work() && !child.lane->full() && child.ledger.usable(task.callable->spec.digest);
}

// A lane executes in order: when all unmet predecessors are in the lane of one child that may run the task, it follows
// them at once, without a round trip, and the child skips it if one of them fails. A task for exactly that child may
// follow those that still wait for the lane, too: it queues behind them. Of those that any sub-worker may run, one
// follows; the others wait, and go to whoever is free.
bool Scheduler::dispatch_behind_predecessors(const TaskPtr& task, const std::vector<TaskPtr>& predecessors) {
    if (predecessors.size() > kMaxPredecessors || is_group(*task)) {
        return false;
    }
    const TaskPtr& first = predecessors.front();
    const std::int32_t where = first->state == TaskState::dispatched ? first->child : first->placement;
    if (where == kAnyChild || (task->placement != kAnyChild && task->placement != where)) {
        return false;
    }
    Child& child = *children_[static_cast<std::size_t>(where)];
    if ((task->placement == kAnyChild && child.kind != ChildKind::sub) || !child.takes_work() ||
        !child.ledger.usable(task->callable->spec.digest)) {
        return false;
    }
    bool all_in_lane = true;
    for (const TaskPtr& earlier : predecessors) {
        const bool in_lane = earlier->state == TaskState::dispatched && earlier->child == where;
        const bool in_queue = earlier->state == TaskState::ready && earlier->placement == where;
        if ((!in_lane && !in_queue) || is_group(*earlier) || earlier->group) {
            return false;
        }
        if (task->placement == kAnyChild && earlier->followed) {
            return false;
        }
        all_in_lane = all_in_lane && in_lane;
    }
    if (child.kind == ChildKind::sub && group_waits_for_subs()) {
        return false;  // the lanes run empty for it
    }
    if (all_in_lane && child.backlog.empty() && !child.lane->full()) {
        for (const TaskPtr& earlier : predecessors) {
            earlier->followed = true;
        }
        push(child, task, predecessors);
        wake(child);
        return true;
    }
    if (task->placement == kAnyChild) {
        return false;
    }
    task->state = TaskState::ready;
    task->predecessors = predecessors;
    ++queued_;
    child.backlog.push_back(task);
    return true;
}

// A queued task comes to the front: it is put into the lane behind what it follows, or ends, or, if that has left the
// lane meanwhile, waits for it.
void Scheduler::push_follower(Child& child, const TaskPtr& task) {
    std::vector<TaskPtr> unmet = std::exchange(task->predecessors, {});
    std::erase_if(unmet, [](const TaskPtr& earlier) { return earlier->state == TaskState::ended; });
    if (task->root_cause) {
        end(task, Code::skipped, {});
        return;
    }
    const bool all_in_lane = std::all_of(unmet.begin(), unmet.end(), [&child](const TaskPtr& earlier) {
        return earlier->state == TaskState::dispatched && earlier->child == static_cast<std::int32_t>(child.index);
    });
    if (!all_in_lane) {
        task->state = TaskState::blocked;
        ++blocked_;
        return;
    }
    push(child, task, unmet);
}

void Scheduler::push(Child& child, const TaskPtr& task, std::span<const TaskPtr> predecessors) {
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
        encode_arguments(*task->args, frame.arguments);
    }
    if (task->times) {
        task->times->dispatch_ns = now_ns();
    }
    task->state = TaskState::dispatched;
    task->child = static_cast<std::int32_t>(child.index);
    task->sequence = frame.sequence;
    if (child.in_flight.empty()) {
        child.busy_since_ns = now_ns();
    }
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

void Scheduler::wake(Child& child) {
    if (!in_burst_) {
        child.lane->wake();
    } else if (!std::exchange(child.to_be_woken, true)) {
        to_wake_.push_back(&child);
    }
}

void Scheduler::end_burst() {
    in_burst_ = false;
    for (Child* child : to_wake_) {
        child->to_be_woken = false;
        child->lane->wake();
    }
    to_wake_.clear();
}

void Scheduler::feed(Child& child) {
    bool pushed = false;
    while (!child.backlog.empty() && takes(child, *child.backlog.front())) {
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
        if (task->predecessors.empty()) {
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

// The sub-worker that is expected to come to a new task first. One that is awake and all but done is better than one
// that has to be woken: tasks shorter than a wake-up stay with the few children that run already.
Child* Scheduler::soonest_sub(const Digest& digest) {
    Child* best = nullptr;
    std::uint64_t best_ns = 0;
    Child* sleeper = nullptr;
    std::uint64_t sleeper_ns = 0;
    std::size_t busy = 0;
    bool others_idle = false;
    const std::uint64_t now = now_ns();
    for (const ChildPtr& child : children_) {
        if (child->kind != ChildKind::sub || !child->takes_work() || child->lane->full() ||
            !child->ledger.usable(digest)) {
            continue;
        }
        const std::uint64_t wait_ns = child->expected_ns(now);
        if (child->in_flight.empty()) {
            others_idle = true;
        } else {
            ++busy;
        }
        const bool sleeps = child->lane->child_sleeps();
        Child*& candidate = sleeps ? sleeper : best;
        std::uint64_t& candidate_ns = sleeps ? sleeper_ns : best_ns;
        if (candidate == nullptr || wait_ns < candidate_ns) {
            candidate = child.get();
            candidate_ns = wait_ns;
        }
    }
    if (sleeper != nullptr && (best == nullptr || sleeper_ns + wake_ns(busy) < best_ns)) {
        best = sleeper;
    }
    if (best != nullptr && others_idle && !best->in_flight.empty() && balance_at_ns_ == 0) {
        balance_at_ns_ = now + kPatienceNs;
        on_deadline_set(balance_at_ns_);
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
        Child* child = soonest_sub(sub_queue_.front()->callable->spec.digest);
        if (child == nullptr) {
            return;
        }
        const TaskPtr task = std::move(sub_queue_.front());
        sub_queue_.pop_front();
        --queued_;
        push(*child, task, {});
        wake(*child);
    }
}

// Whether its frame may go to another lane: it relies on nothing before it in this one, and nothing relies on it.
bool Scheduler::movable(const Task& task) {
    return task.unmet == 0 && !task.followed && !task.group;
}

// Whether there is something to take from `child` for an idle one.
bool Scheduler::has_movable(const Child& child) {
    const std::size_t queued = child.in_flight.size() - std::min<std::size_t>(child.in_flight.size(), 1);
    const auto last = child.in_flight.rbegin();
    return std::any_of(last, last + static_cast<std::ptrdiff_t>(std::min(queued, kLook)),
                       [](const TaskPtr& task) { return movable(*task); });
}

// A frame queued behind a long task must not wait while another sub-worker idles: the idle one takes half of what the
// busiest has not begun and may let go of, if that is worth waking it.
void Scheduler::balance_subs() {
    const std::uint64_t now = now_ns();
    for (const ChildPtr& idle : children_) {
        if (idle->kind != ChildKind::sub || !idle->takes_work() || !idle->in_flight.empty()) {
            continue;
        }
        Child* busiest = nullptr;
        std::uint64_t most_ns = wake_ns(
            static_cast<std::size_t>(std::count_if(children_.begin(), children_.end(), [](const ChildPtr& child) {
                return child->kind == ChildKind::sub && !child->in_flight.empty();
            })));
        for (const ChildPtr& child : children_) {
            if (child->kind == ChildKind::sub && child->takes_work() && child->expected_ns(now) >= most_ns &&
                has_movable(*child)) {
                busiest = child.get();
                most_ns = child->expected_ns(now);
            }
        }
        if (busiest == nullptr) {
            return;
        }
        move_half(*busiest, *idle);
    }
}

// Revoking is a compare-and-swap on the frame, so nothing can run twice.
void Scheduler::move_half(Child& from, Child& to) {
    std::vector<TaskPtr> stay;  // latest first
    std::vector<TaskPtr> moved;
    const std::size_t queued = from.in_flight.size() - 1;
    while (2 * moved.size() + stay.size() < queued && stay.size() < kLook) {
        TaskPtr& last = from.in_flight.back();
        const bool moves = movable(*last) && to.ledger.usable(last->callable->spec.digest);
        if (moves && !from.lane->revoke(last->sequence)) {
            break;  // it has begun, and so has all before it
        }
        (moves ? moved : stay).push_back(std::move(last));
        from.in_flight.pop_back();
    }
    from.in_flight.insert(from.in_flight.end(), std::make_move_iterator(stay.rbegin()),
                          std::make_move_iterator(stay.rend()));
    std::for_each(moved.rbegin(), moved.rend(), [&](const TaskPtr& task) { push(to, task, {}); });
    if (!moved.empty()) {
        wake(to);
    }
}

void Scheduler::share_out() {
    balance_at_ns_ = 0;
    if (sub_queue_.empty()) {
        balance_subs();
    }
    // The next task behind may be a long one, too: look again while somebody idles beside a queue.
    const auto is_sub = [](const ChildPtr& child) { return child->kind == ChildKind::sub && child->takes_work(); };
    const bool idle = std::any_of(children_.begin(), children_.end(),
                                  [&](const ChildPtr& child) { return is_sub(child) && child->in_flight.empty(); });
    const bool queue = std::any_of(children_.begin(), children_.end(),
                                   [&](const ChildPtr& child) { return is_sub(child) && has_movable(*child); });
    if (idle && queue) {
        balance_at_ns_ = now_ns() + kPatienceNs;
        on_deadline_set(balance_at_ns_);
    }
}

}  // namespace callring
