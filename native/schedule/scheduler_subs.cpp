// Scheduler: chooses the sub-worker of a task that any of them may run, at dispatch and afterwards.
#include <algorithm>
#include <utility>
#include <vector>

#include "common/tuning.h"
#include "schedule/movable.h"
#include "schedule/scheduler.h"

namespace callring {

std::uint64_t Scheduler::wake_ns(std::size_t busy) const noexcept {
    return busy < cores_ ? tuning::kWakeNs : tuning::kCrowdedWakeNs;
}

// The sub-worker that is expected to begin a new task first. An almost idle one is preferred over waking a sleeping
// one: tasks shorter than a wake-up stay with the few children that run already.
Child* Scheduler::soonest_sub() {
    Child* best = nullptr;
    std::uint64_t best_ns = 0;
    Child* sleeper = nullptr;
    std::uint64_t sleeper_ns = 0;
    std::size_t busy = 0;
    bool others_idle = false;
    const std::uint64_t now = outside_.now_ns();
    for (const ChildPtr& child : children_) {
        if (child->kind != ChildKind::sub || !child->takes_work() || child->lane->full()) {
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
        balance_at_ns_ = now + tuning::kRebalanceNs;
        outside_.on_deadline_set(balance_at_ns_);
    }
    return best;
}

void Scheduler::feed_subs() {
    while (!sub_queue_.empty()) {
        if (group_waits_for_subs()) {
            if (!start_sub_group(*sub_queue_.front())) {
                return;
            }
            continue;
        }
        Child* child = soonest_sub();
        if (child == nullptr) {
            return;
        }
        Task& task = *sub_queue_.front();
        sub_queue_.pop_front();
        --queued_;
        push(*child, task, {});
        wake(*child);
    }
}

// A frame behind a long task must not wait while another sub-worker idles: the idle one takes half of the movable
// frames of the busiest one, if that is worth a wake-up.
void Scheduler::balance_subs() {
    const std::uint64_t now = outside_.now_ns();
    for (const ChildPtr& idle : children_) {
        if (idle->kind != ChildKind::sub || !idle->takes_work() || !idle->in_flight.empty() || idle->lane->full()) {
            continue;
        }
        Child* busiest = nullptr;
        std::uint64_t most_ns = wake_ns(
            static_cast<std::size_t>(std::count_if(children_.begin(), children_.end(), [](const ChildPtr& child) {
                return child->kind == ChildKind::sub && !child->in_flight.empty();
            })));
        for (const ChildPtr& child : children_) {
            if (child->kind == ChildKind::sub && child->takes_work() && child->expected_ns(now) >= most_ns &&
                Movable(*child).any()) {
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

// Revoking is a compare-and-swap on the frame, so no frame runs twice. An idle child's lane may have little room: its
// revoked frames lie there until the child has passed over them.
void Scheduler::move_half(Child& from, Child& to) {
    const std::vector<std::size_t> places = Movable(from).half();
    struct Moved {
        Task* task;
        std::vector<Task*> followed;
    };
    std::vector<Moved> moved;  // latest first, because a child begins the earlier ones first
    for (std::size_t i = places.size(); i-- > 0;) {
        const auto place = from.in_flight.begin() + static_cast<std::ptrdiff_t>(places[i]);
        if (!from.lane->revoke((*place)->sequence)) {
            break;  // it has begun, and so have all before it
        }
        auto followed = Movable::followed_by(from, **place);
        moved.push_back({*place, std::move(followed)});
        from.in_flight.erase(place);
    }
    std::vector<Task*> left;
    std::for_each(moved.rbegin(), moved.rend(), [&](const Moved& each) {
        const bool with_all = std::all_of(each.followed.begin(), each.followed.end(), [&to](const Task* earlier) {
            return earlier->state == TaskState::dispatched && earlier->child == static_cast<std::int32_t>(to.index);
        });
        if (with_all && !to.lane->full()) {
            push(to, *each.task, each.followed);
        } else if (each.task->unmet > 0) {  // a predecessor that is elsewhere will release it
            each.task->state = TaskState::blocked;
            ++blocked_;
        } else {
            each.task->state = TaskState::ready;
            ++queued_;
            left.push_back(each.task);
        }
    });
    sub_queue_.insert(sub_queue_.begin(), left.begin(), left.end());
    if (!moved.empty()) {
        wake(to);
    }
    if (!left.empty()) {
        feed_subs();  // another sub-worker may have room for them
    }
}

void Scheduler::share_out() {
    const Event event(over_);
    balance_at_ns_ = 0;
    use_idle_subs();
}

// Moves queued tasks to idle sub-workers: now or, if that is not worth a wake-up yet, when the tasks before them have
// taken longer than expected. While a group waits for sub-workers, the lanes must become empty, which this speeds up.
void Scheduler::use_idle_subs() {
    if (!sub_queue_.empty() && !group_waits_for_subs()) {
        return;
    }
    balance_subs();
    if (balance_at_ns_ != 0) {
        return;
    }
    const auto is_sub = [](const ChildPtr& child) { return child->kind == ChildKind::sub && child->takes_work(); };
    const bool idle = std::any_of(children_.begin(), children_.end(),
                                  [&](const ChildPtr& child) { return is_sub(child) && child->in_flight.empty(); });
    if (idle && std::any_of(children_.begin(), children_.end(), [&](const ChildPtr& child) {
            return is_sub(child) && child->in_flight.size() > 1 && Movable(*child).any();
        })) {
        balance_at_ns_ = outside_.now_ns() + tuning::kRebalanceNs;
        outside_.on_deadline_set(balance_at_ns_);
    }
}

}  // namespace callring
