// Scheduler: groups, whose members begin on several children at once (docs/explanation/execution.md). A group enters
// the queues of all its children together, so that two groups are in the same order in all queues that they share: the
// older one gets its children first, and the two cannot wait for each other.
#include <algorithm>
#include <utility>

#include "graph/hazards.h"
#include "graph/view_region.h"
#include "schedule/scheduler.h"

namespace callring {

// Members run at the same time, without an order: two of them must not write the same bytes.
Result<void> Scheduler::check_group(const Task& group) {
    HazardMap writes;
    std::vector<std::uint64_t> earlier;
    for (std::size_t i = 0; i < group.members.size(); ++i) {
        for (const TensorArg& argument : group.members[i]->args->tensors) {
            if (argument.tag != Tag::no_dep && argument.tag != Tag::input) {
                writes.record(i, region_of(argument.tensor), Access::write, earlier);
            }
        }
        if (!earlier.empty()) {
            return Error{Code::invalid_argument,
                         "members " + std::to_string(earlier.front()) + " and " + std::to_string(i) +
                             " of the group write the same bytes at the same time; give each its own slice, or tag the "
                             "tensor that they share NO_DEP"};
        }
    }
    return {};
}

void Scheduler::queue_group(Task& group) {
    group.state = TaskState::ready;
    if (group.members.front()->placement == kAnyChild) {
        sub_queue_.push_back(&group);
        ++queued_;
        feed_subs();
        return;
    }
    for (const TaskPtr& member : group.members) {
        member->state = TaskState::ready;
        child_of(*member).backlog.push_back(member.get());
        ++queued_;
    }
    start_group(group);
}

// Begins a group if each of its children is idle and has the group first in its queue. Returns whether it began.
bool Scheduler::start_group(Task& group) {
    const bool all_can = std::all_of(group.members.begin(), group.members.end(), [this](const TaskPtr& member) {
        Child& child = child_of(*member);
        return child.takes_work() && child.in_flight.empty() && !child.lane->full() && child.backlog.front() == member;
    });
    if (!all_can) {
        return false;
    }
    for (const TaskPtr& member : group.members) {
        child_of(*member).backlog.pop_front();
        --queued_;
    }
    begin_members(group);
    // Tasks behind the group in the queues may now follow it in the lanes.
    for (const TaskPtr& member : group.members) {
        feed(child_of(*member));
    }
    return true;
}

// Begins the group at the front of the sub-workers' queue on the first idle sub-workers. Returns whether it began.
bool Scheduler::start_sub_group(Task& group) {
    std::vector<std::int32_t> places;
    for (const ChildPtr& child : children_) {
        if (places.size() < group.members.size() && child->kind == ChildKind::sub && child->takes_work() &&
            child->in_flight.empty() && child->backlog.empty() && !child->lane->full()) {
            places.push_back(static_cast<std::int32_t>(child->index));
        }
    }
    if (places.size() < group.members.size()) {
        return false;
    }
    sub_queue_.pop_front();
    --queued_;
    for (std::size_t i = 0; i < places.size(); ++i) {
        group.members[i]->placement = places[i];
    }
    begin_members(group);
    return true;
}

void Scheduler::begin_members(Task& group) {
    group.state = TaskState::dispatched;
    for (const TaskPtr& member : group.members) {
        if (member->times) {
            member->times->waited_for = group.times->waited_for;
        }
        push(child_of(*member), *member, {});
    }
    for (const TaskPtr& member : group.members) {
        wake(child_of(*member));
    }
}

// Removes a group that has not begun from every queue.
void Scheduler::unqueue_group(Task& group) {
    if (group.members.front()->placement == kAnyChild) {
        queued_ -= std::erase(sub_queue_, &group);
        return;
    }
    for (const TaskPtr& member : group.members) {
        queued_ -= std::erase(child_of(*member).backlog, member.get());
    }
}

// A group ends when its last member ends, with the outcome of its first failed member.
void Scheduler::end_member(Task& member, Code code, std::string&& payload) {
    Task& group = *std::exchange(member.group, nullptr);
    member.state = TaskState::ended;
    member.code = code;
    member.payload = std::move(payload);
    member.args.reset();
    member.spill.reset();
    if (code != Code::ok) {
        if (group.failed_member == nullptr) {
            group.failed_member = &member;
            group.root_cause = TaskPtr(&member);
        }
        if (code != Code::cancelled) {
            group.run->failures.emplace_back(&member);
        }
    }
    record_span(member);
    if (--group.open_members == 0) {
        end(group, group.failed_member != nullptr ? group.failed_member->code : Code::ok, {});
    }
}

}  // namespace callring
