// Scheduler: completions for which a driver need not wake, because taking them earlier would change nothing.
#include <algorithm>

#include "common/tuning.h"
#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring {

// Whether the success of `task`, which is in flight, may do more than count: it may release a task, end its run, or be
// what a thread waits for. `next` is the frame behind it in the lane; null: it is the last one.
bool Scheduler::matters(const Task& task, const Task* next) {
    if (task.group != nullptr || task.awaited || task.times || task.config.deadline_ns != 0) {
        return true;
    }
    Run& run = *task.run;
    if (run.stream || next == nullptr || next->run != &run) {  // it may be the last one of its run
        return true;
    }
    const auto waits = [](const Task& later) { return later.state == TaskState::blocked; };
    if (run.graph) {
        const auto later = run.graph->successors(static_cast<NodeId>(task.id));
        return std::ranges::any_of(later, [&](NodeId id) { return waits(*run.tasks.find(id)); });
    }
    return std::ranges::any_of(task.successors, [&](const Task* later) { return waits(*later); });
}

// Whether every completion of `child` may make the parent act.
bool Scheduler::is_listened_to(const Child& child) const {
    // While a sub-worker idles, it may take tasks of another one at any moment: which ones, depends on the time.
    const bool shares = child.kind == ChildKind::sub && std::ranges::any_of(children_, [](const ChildPtr& other) {
                            return other->kind == ChildKind::sub && other->takes_work() && other->in_flight.empty();
                        });
    return child.kind == ChildKind::node || child.state != ChildState::ready || shares;
}

std::size_t Scheduler::unheeded(const Child& child) const {
    if (is_listened_to(child)) {
        return 0;
    }
    const std::size_t frames = child.in_flight.size();
    // If more tasks wait for the lane, they enter it before it is half empty.
    const bool tasks_wait = !child.backlog.empty() || (child.kind == ChildKind::sub && any_waits_for_subs());
    const std::size_t most = std::min(tasks_wait ? frames / 2 : frames, tuning::kMostUnheeded);
    std::size_t count = 0;
    while (count < most &&
           !matters(*child.in_flight[count], count + 1 < frames ? child.in_flight[count + 1] : nullptr)) {
        ++count;
    }
    return count;
}

std::uint64_t Scheduler::ring_from(const Child& child) const {
    // The driver is awake again, and spins, before a frame ends that matters. It does not go to sleep for a shorter
    // time than that takes, and does not look at frames that end so soon: it would look at them after every few
    // completions.
    const std::uint64_t most = std::min(child.in_flight.size(), tuning::kMostUnheeded) * child.task_ns;
    if (most < 2 * tuning::kWakeNs) {
        return 0;  // or it is not known how long a task takes
    }
    const std::size_t count = unheeded(child);
    const std::size_t early = tuning::kWakeNs / child.task_ns;
    if (count <= early || (count - early) * child.task_ns < tuning::kWakeNs) {
        return 0;
    }
    return child.in_flight[count - early - 1]->sequence;
}

}  // namespace callring
