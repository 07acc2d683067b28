// Scheduler: checks that its data is consistent. Only for tests, because the checks read every task.
#include <algorithm>
#include <string>
#include <vector>

#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring {

namespace {

std::string task_of(const Task& task) {
    return "task " + std::to_string(task.id) + " of run " + std::to_string(task.run_id) + " ";
}

std::string difference(const char* what, std::uint64_t noted, std::uint64_t found) {
    return noted == found
               ? ""
               : std::string(what) + ": " + std::to_string(noted) + " noted, " + std::to_string(found) + " found";
}

// Counts how often each task occurs.
class Counts {
public:
    void add(const Task* task) { met_.push_back(task); }
    // To be called after the last add().
    void seal() { std::sort(met_.begin(), met_.end()); }
    [[nodiscard]] std::uint64_t of(const Task& task) const {
        const auto [first, last] = std::equal_range(met_.begin(), met_.end(), &task);
        return static_cast<std::uint64_t>(last - first);
    }

private:
    std::vector<const Task*> met_;
};

// For each unended task, how many unended tasks have it as a successor.
Counts count_unmet(std::span<const RunPtr> runs, std::span<const Task* const> live) {
    Counts unmet;
    for (const RunPtr& run : runs) {
        for (const Task* task : run->held) {
            unmet.add(task);
        }
    }
    for (const Task* task : live) {
        if (task->run->graph) {
            for (const NodeId id : task->run->graph->successors(static_cast<NodeId>(task->id))) {
                unmet.add(task->run->tasks.find(id));
            }
        }
        for (const Task* next : task->successors) {
            unmet.add(next);
        }
    }
    unmet.seal();
    return unmet;
}

}  // namespace

std::string Scheduler::contradiction(std::span<const RunPtr> runs) const {
    Counts places;  // occurrences of tasks and members in lanes and queues
    std::uint64_t queued = sub_queue_.size();
    for (const Task* task : sub_queue_) {
        places.add(task);
        if (task->state != TaskState::ready) {
            return task_of(*task) + "is in the sub-workers' queue, but not ready";
        }
    }
    for (const ChildPtr& child : children_) {
        queued += child->backlog.size();
        for (const Task* task : child->backlog) {
            places.add(task);
            if (task->state != TaskState::ready || task->placement != static_cast<std::int32_t>(child->index)) {
                return task_of(*task) + "is in the queue of " + child->name() + ", but not ready for it";
            }
        }
        const Task* before = nullptr;
        for (const Task* task : child->in_flight) {
            places.add(task);
            if (task->state != TaskState::dispatched || task->child != static_cast<std::int32_t>(child->index)) {
                return task_of(*task) + "is in the lane of " + child->name() + ", but not dispatched to it";
            }
            if (before != nullptr && before->sequence >= task->sequence) {
                return task_of(*task) + "is out of order in the lane of " + child->name();
            }
            before = task;
        }
    }
    if (auto wrong = difference("queued tasks", queued_, queued); !wrong.empty()) {
        return wrong;
    }
    if (!poisoned_.empty() || !opened_.empty() || !over_.empty() || !unmet_.empty()) {
        return "a work list is not empty";
    }

    places.seal();
    std::vector<const Task*> live;
    for (const RunPtr& run : runs) {
        const std::size_t before = live.size();
        run->tasks.for_each([&live](const Task& task) {
            if (task.state != TaskState::ended) {
                live.push_back(&task);
            }
        });
        const std::uint64_t count = live.size() - before;
        if (auto wrong = difference("tasks", run->accepted - run->ended, count); !wrong.empty()) {
            return "run " + std::to_string(run->id) + ": " + wrong;
        }
        if (!run->held.empty() && run->waits_for == 0) {
            return "run " + std::to_string(run->id) + " holds tasks and waits for no other run";
        }
        if ((count > 0) != (run->self != nullptr)) {
            return "run " + std::to_string(run->id) + " does not keep itself alive exactly while it has tasks";
        }
    }
    if (auto wrong = difference("pending tasks", pending_, live.size()); !wrong.empty()) {
        return wrong;
    }
    const Counts unmet = count_unmet(runs, live);
    std::uint64_t blocked = 0;
    for (const Task* task : live) {
        if (auto wrong = difference("predecessors", task->unmet, unmet.of(*task)); !wrong.empty()) {
            return task_of(*task) + wrong;
        }
        if (task->root_cause && task->state == TaskState::blocked) {
            return task_of(*task) + "waits, though it can only be skipped";
        }
        if (task->state == TaskState::blocked) {
            if (task->unmet == 0) {
                return task_of(*task) + "is blocked by nothing";
            }
            ++blocked;
        }
        const std::uint64_t wanted = task->state == TaskState::blocked || is_group(*task) ? 0 : 1;
        const bool queued_group = is_group(*task) && task->state == TaskState::ready;
        if (!queued_group && places.of(*task) != wanted) {
            return task_of(*task) + "is in " + std::to_string(places.of(*task)) + " places";
        }
        for (const TaskPtr& member : task->members) {
            const bool in_one = member->state == TaskState::ready || member->state == TaskState::dispatched;
            if (places.of(*member) != (in_one ? 1 : 0)) {
                return "a member of " + task_of(*task) + "is in " + std::to_string(places.of(*member)) + " places";
            }
        }
    }
    return difference("blocked tasks", blocked_, blocked);
}

std::string Scheduler::starvation() const {
    bool room = false;  // in the lane of a sub-worker
    std::size_t idle_subs = 0;
    for (const ChildPtr& child : children_) {
        if (!child->takes_work()) {
            continue;
        }
        const bool full = child->lane->full();
        const bool idle = child->in_flight.empty() && child->backlog.empty() && !full;
        if (child->kind == ChildKind::sub) {
            room = room || !full;
            idle_subs += idle ? 1 : 0;
        }
        if (child->backlog.empty() || full) {
            continue;
        }
        const Task* first = child->backlog.front();
        if (first->group == nullptr || first->group->state != TaskState::ready) {
            return task_of(*first) + "waits, though there is room in the lane of " + child->name();
        }
    }
    if (!sub_queue_.empty()) {
        const Task& first = *sub_queue_.front();
        if (is_group(first) ? idle_subs >= first.members.size() : room) {
            return task_of(first) + "waits, though a sub-worker could take it";
        }
    }
    return {};
}

}  // namespace callring
