#include "virtual_time/virtual_time.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <string>
#include <utility>

namespace callring {

namespace {

using TaskIndex = std::uint32_t;

Error wrong(TaskIndex task, const char* what) {
    return {Code::invalid_argument, "task " + std::to_string(task) + what};
}

Result<void> check(const ModelledGraph& graph, const ModelledMachine& machine) {
    const auto chips = static_cast<std::int64_t>(machine.chips.size());
    const auto longest = std::max_element(machine.chips.begin(), machine.chips.end(),
                                          [](auto& a, auto& b) { return a.latency_ns < b.latency_ns; });
    if (machine.dispatch_ns > kLongestDelayNs || (chips && longest->latency_ns > kLongestDelayNs)) {
        return Error{Code::invalid_argument, "a latency, or a hand-over, of more than eleven days"};
    }
    std::vector<TaskIndex> last_on(machine.chips.size(), UINT32_MAX);
    for (TaskIndex task = 0; task < graph.size(); ++task) {
        const auto frames = graph.frames(task);
        const bool on_chips = !frames.empty() && frames[0].placement != kAnySubWorker;
        if (frames.empty() || (!on_chips && frames.size() > machine.sub_workers)) {
            return wrong(task, ": no member, or more than there are sub-workers");
        }
        for (const ModelledFrame& frame : frames) {
            const bool known = frame.placement == kAnySubWorker || (frame.placement >= 0 && frame.placement < chips);
            if (!known || (frame.placement != kAnySubWorker) != on_chips || frame.callable >= machine.costs.size()) {
                return wrong(task, ": no such chip, or no such callable");
            }
            if (on_chips && std::exchange(last_on[static_cast<std::size_t>(frame.placement)], task) == task) {
                return wrong(task, ": two members on one chip");
            }
        }
        for (const TaskIndex earlier : graph.predecessors(task)) {
            if (earlier >= task) {
                return wrong(task, ": follows a task that is not before it");
            }
        }
    }
    return {};
}

class Simulation {
public:
    Simulation(const ModelledGraph& graph, const ModelledMachine& machine)
        : graph_(graph), machine_(machine), idle_at_(machine.chips.size() + machine.sub_workers, 0) {
        for (std::uint32_t i = 0; i < machine.sub_workers; ++i) {
            sub_workers_.emplace(0, static_cast<std::int32_t>(machine.chips.size() + i));
        }
    }

    Result<VirtualTime> run() {
        if (!bounds()) {  // the sums below cannot overflow, as no schedule takes longer than one task after the other
            return Error{Code::invalid_argument, "the tasks take more than a hundred years of virtual time"};
        }
        result_.spans.resize(graph_.frames().size());
        link();
        while (!ready_.empty()) {
            const auto [ready_at, task] = ready_.top();
            ready_.pop();
            const VirtualNs handed_over = std::max(parent_idle_at_, ready_at) + handing_over(task);
            parent_idle_at_ = handed_over;
            const VirtualNs end = execute(task, handed_over);
            result_.makespan_ns = std::max(result_.makespan_ns, end);
            release_successors(task, handed_over, end);
        }
        return std::move(result_);
    }

private:
    using Ready = std::pair<VirtualNs, TaskIndex>;  // the time from which it can be handed over; ties by submission
    using IdleSubWorker = std::pair<VirtualNs, std::int32_t>;  // the time from which it is idle; ties by index
    template <class T>
    using Earliest = std::priority_queue<T, std::vector<T>, std::greater<>>;

    void link() {
        const TaskIndex count = graph_.size();
        unmet_.resize(count);
        ready_at_.assign(count, 0);
        first_successor_.assign(count + std::size_t{1}, 0);
        for (TaskIndex task = 0; task < count; ++task) {
            for (const TaskIndex earlier : graph_.predecessors(task)) {
                ++first_successor_[earlier + std::size_t{1}];
            }
            unmet_[task] = static_cast<std::uint32_t>(graph_.predecessors(task).size());
            if (unmet_[task] == 0) {
                ready_.emplace(0, task);
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            first_successor_[i + 1] += first_successor_[i];
        }
        successors_.resize(graph_.edge_count());
        std::vector<std::uint32_t> next(first_successor_.begin(), first_successor_.end());
        for (TaskIndex task = 0; task < count; ++task) {
            for (const TaskIndex earlier : graph_.predecessors(task)) {
                successors_[next[earlier]++] = task;
            }
        }
    }

    // Whether the parent can hand over `later` to a chip directly after `earlier`.
    [[nodiscard]] bool same_lane(TaskIndex earlier, TaskIndex later) const {
        const auto first = graph_.frames(earlier);
        const auto second = graph_.frames(later);
        return first.size() == 1 && second.size() == 1 && first[0].placement != kAnySubWorker &&
               first[0].placement == second[0].placement;
    }

    [[nodiscard]] VirtualNs handing_over(TaskIndex task) const {
        return machine_.dispatch_ns * graph_.frames(task).size();
    }
    [[nodiscard]] VirtualNs latency(TaskIndex task) const {
        VirtualNs longest = 0;
        for (const ModelledFrame& frame : graph_.frames(task)) {
            if (frame.placement != kAnySubWorker) {
                longest = std::max(longest, machine_.chips[static_cast<std::size_t>(frame.placement)].latency_ns);
            }
        }
        return longest;
    }
    [[nodiscard]] VirtualNs duration(const ModelledFrame& frame) const {
        const TaskCost& cost = machine_.costs[frame.callable];
        if (frame.placement == kAnySubWorker) {
            return time_on_sub_worker(cost, frame.demand);
        }
        return time_on_chip(machine_.chips[static_cast<std::size_t>(frame.placement)], cost, frame.demand);
    }
    [[nodiscard]] VirtualNs duration(TaskIndex task) const {
        VirtualNs longest = 0;
        for (const ModelledFrame& frame : graph_.frames(task)) {
            longest = std::max(longest, duration(frame));
        }
        return longest;
    }

    // Places the task after the earlier tasks of its chips, or of the sub-workers. Returns its end.
    VirtualNs execute(TaskIndex task, VirtualNs handed_over) {
        const auto frames = graph_.frames(task);
        const std::span spans = std::span(result_.spans).subspan(graph_.first_frame(task), frames.size());
        VirtualNs begin = handed_over + latency(task);
        for (std::size_t i = 0; i < frames.size(); ++i) {
            spans[i].child = frames[i].placement != kAnySubWorker ? frames[i].placement : take_sub_worker();
            begin = std::max(begin, idle_at_[static_cast<std::size_t>(spans[i].child)]);
        }
        VirtualNs last = begin;
        for (std::size_t i = 0; i < frames.size(); ++i) {
            spans[i].begin_ns = begin;
            spans[i].end_ns = begin + duration(frames[i]);
            idle_at_[static_cast<std::size_t>(spans[i].child)] = spans[i].end_ns;
            last = std::max(last, spans[i].end_ns);
            if (frames[i].placement == kAnySubWorker) {
                sub_workers_.emplace(spans[i].end_ns, spans[i].child);
            }
        }
        return last;
    }

    std::int32_t take_sub_worker() {
        const std::int32_t child = sub_workers_.top().second;
        sub_workers_.pop();
        return child;
    }

    void release_successors(TaskIndex task, VirtualNs handed_over, VirtualNs end) {
        for (std::uint32_t i = first_successor_[task]; i < first_successor_[task + std::size_t{1}]; ++i) {
            const TaskIndex later = successors_[i];
            ready_at_[later] = std::max(ready_at_[later], same_lane(task, later) ? handed_over : end);
            if (--unmet_[later] == 0) {
                ready_.emplace(ready_at_[later], later);
            }
        }
    }

    // Computes the critical path and the sum of all tasks. Returns whether both are less than kLongestVirtualNs.
    bool bounds() {
        std::vector<VirtualNs> chain(graph_.size(), 0);  // by task, the longest chain that ends with it
        for (TaskIndex task = 0; task < graph_.size(); ++task) {
            if (machine_.dispatch_ns > kLongestVirtualNs / graph_.frames(task).size()) {
                return false;
            }
            const VirtualNs hop = handing_over(task) + latency(task);
            VirtualNs begin = hop;
            for (const TaskIndex earlier : graph_.predecessors(task)) {
                begin = std::max(begin, chain[earlier] + (same_lane(earlier, task) ? 0 : hop));
            }
            chain[task] = begin + duration(task);
            result_.critical_path_ns = std::max(result_.critical_path_ns, chain[task]);
            result_.one_by_one_ns += hop + duration(task);
            if (result_.one_by_one_ns >= kLongestVirtualNs) {
                return false;
            }
        }
        return true;
    }

    const ModelledGraph& graph_;
    const ModelledMachine& machine_;
    VirtualTime result_;
    std::vector<std::uint32_t> successors_;
    std::vector<std::uint32_t> first_successor_;
    std::vector<std::uint32_t> unmet_;
    std::vector<VirtualNs> ready_at_;
    Earliest<Ready> ready_;
    VirtualNs parent_idle_at_ = 0;
    std::vector<VirtualNs> idle_at_;  // by child
    Earliest<IdleSubWorker> sub_workers_;
};

}  // namespace

Result<VirtualTime> virtual_time(const ModelledGraph& graph, const ModelledMachine& machine) {
    if (auto checked = check(graph, machine); !checked) {
        return std::move(checked).error();
    }
    return Simulation(graph, machine).run();
}

}  // namespace callring
