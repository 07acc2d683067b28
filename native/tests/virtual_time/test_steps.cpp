// virtual_time() against a simulation that goes through every single nanosecond: a parent with one task in its hands,
// chips and sub-workers with one task each, and queues between them.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <random>
#include <vector>

#include "virtual_time/virtual_time.h"

using namespace callring;

namespace {

using TaskIndex = std::uint32_t;

class Steps {
public:
    Steps(const ModelledGraph& graph, const ModelledMachine& machine)
        : graph_(graph),
          machine_(machine),
          tasks_(graph.size()),
          spans_(graph.frames().size()),
          of_chip_(machine.chips.size()),
          idle_since_(machine.chips.size() + machine.sub_workers, 0) {}

    std::vector<VirtualSpan> run() {
        for (now_ = 0; ended_ < graph_.size(); ++now_) {
            end_tasks();
            hand_over();
            begin_tasks();
        }
        return spans_;
    }

private:
    struct Task {
        std::optional<VirtualNs> ready;
        std::optional<VirtualNs> handed_over;
        std::optional<VirtualNs> begun;
        std::optional<VirtualNs> ended;
    };

    [[nodiscard]] bool on_one_chip(TaskIndex task) const {
        return graph_.frames(task).size() == 1 && graph_.frames(task)[0].placement != kAnySubWorker;
    }
    [[nodiscard]] bool lets_begin(TaskIndex earlier, TaskIndex later) const {
        const bool in_one_lane = on_one_chip(earlier) && on_one_chip(later) &&
                                 graph_.frames(earlier)[0].placement == graph_.frames(later)[0].placement;
        return in_one_lane ? tasks_[earlier].handed_over.has_value() : tasks_[earlier].ended.has_value();
    }
    [[nodiscard]] VirtualNs duration(const ModelledFrame& frame) const {
        const TaskCost& cost = machine_.costs[frame.callable];
        return frame.placement == kAnySubWorker
                   ? time_on_sub_worker(cost, frame.demand)
                   : time_on_chip(machine_.chips[static_cast<std::size_t>(frame.placement)], cost, frame.demand);
    }

    void end_tasks() {
        for (TaskIndex task = 0; task < graph_.size(); ++task) {
            if (!tasks_[task].begun || tasks_[task].ended) {
                continue;
            }
            const auto* const first = spans_.data() + graph_.first_frame(task);
            if (std::all_of(first, first + graph_.frames(task).size(),
                            [&](const VirtualSpan& span) { return span.end_ns <= now_; })) {
                tasks_[task].ended = now_;
                ++ended_;
            }
        }
    }

    // The ready task that has been ready for the longest time, the first one submitted among several.
    [[nodiscard]] std::optional<TaskIndex> next_ready() {
        std::optional<TaskIndex> next;
        for (TaskIndex task = 0; task < graph_.size(); ++task) {
            Task& state = tasks_[task];
            const auto earlier = graph_.predecessors(task);
            if (!state.ready &&
                std::all_of(earlier.begin(), earlier.end(), [&](TaskIndex one) { return lets_begin(one, task); })) {
                state.ready = now_;
            }
            const bool waits = state.ready && !state.handed_over && task != in_hands_;
            if (waits && (!next || *state.ready < *tasks_[*next].ready)) {
                next = task;
            }
        }
        return next;
    }

    void hand_over() {
        for (;;) {
            if (in_hands_) {
                if (now_ < free_at_) {
                    static_cast<void>(next_ready());  // notes which tasks have become ready
                    return;
                }
                tasks_[*in_hands_].handed_over = now_;
                for (const ModelledFrame& frame : graph_.frames(*in_hands_)) {
                    if (frame.placement != kAnySubWorker) {
                        of_chip_[static_cast<std::size_t>(frame.placement)].push_back(*in_hands_);
                    }
                }
                if (graph_.frames(*in_hands_)[0].placement == kAnySubWorker) {
                    of_subs_.push_back(*in_hands_);
                }
                in_hands_.reset();
            }
            in_hands_ = next_ready();
            if (!in_hands_) {
                return;
            }
            free_at_ = now_ + (machine_.dispatch_ns * graph_.frames(*in_hands_).size());
        }
    }

    void begin_tasks() {
        for (TaskIndex task = 0; task < graph_.size(); ++task) {
            if (tasks_[task].handed_over && !tasks_[task].begun && can_begin_on_chips(task)) {
                begin(task);
            }
        }
        while (!of_subs_.empty() && idle_subs().size() >= graph_.frames(of_subs_.front()).size()) {
            begin(of_subs_.front());
            of_subs_.pop_front();
        }
    }
    [[nodiscard]] bool can_begin_on_chips(TaskIndex task) const {
        const auto frames = graph_.frames(task);
        return std::all_of(frames.begin(), frames.end(), [&](const ModelledFrame& frame) {
            const auto chip = static_cast<std::size_t>(frame.placement);
            return frame.placement != kAnySubWorker && of_chip_[chip].front() == task && idle_since_[chip] <= now_ &&
                   *tasks_[task].handed_over + machine_.chips[chip].latency_ns <= now_;
        });
    }
    // The idle sub-workers, the one first that has been idle for the longest time.
    [[nodiscard]] std::vector<std::size_t> idle_subs() const {
        std::vector<std::size_t> idle;
        for (std::size_t child = machine_.chips.size(); child < idle_since_.size(); ++child) {
            if (idle_since_[child] <= now_) {
                idle.push_back(child);
            }
        }
        std::stable_sort(idle.begin(), idle.end(),
                         [&](std::size_t a, std::size_t b) { return idle_since_[a] < idle_since_[b]; });
        return idle;
    }
    void begin(TaskIndex task) {
        tasks_[task].begun = now_;
        const auto frames = graph_.frames(task);
        const auto idle = idle_subs();
        for (std::size_t i = 0; i < frames.size(); ++i) {
            const bool on_chip = frames[i].placement != kAnySubWorker;
            const std::size_t child = on_chip ? static_cast<std::size_t>(frames[i].placement) : idle[i];
            if (on_chip) {
                of_chip_[child].pop_front();
            }
            idle_since_[child] = now_ + duration(frames[i]);
            spans_[graph_.first_frame(task) + i] = {static_cast<std::int32_t>(child), now_, idle_since_[child]};
        }
    }

    const ModelledGraph& graph_;
    const ModelledMachine& machine_;
    std::vector<Task> tasks_;
    std::vector<VirtualSpan> spans_;
    std::vector<std::deque<TaskIndex>> of_chip_;
    std::deque<TaskIndex> of_subs_;
    std::vector<VirtualNs> idle_since_;  // by child; in the future while it is busy
    std::optional<TaskIndex> in_hands_;  // the task that the parent hands over
    VirtualNs free_at_ = 0;              // when it will have done so
    VirtualNs now_ = 0;
    std::size_t ended_ = 0;
};

ModelledMachine random_machine(std::mt19937& random) {
    ModelledMachine machine;
    machine.sub_workers = static_cast<std::uint32_t>(random() % 4);
    machine.dispatch_ns = random() % 2 == 0 ? 0 : random() % 6;
    for (std::size_t chips = 1 + (random() % 3); chips > 0; --chips) {
        machine.chips.push_back({random() % 9, 1e9, 1 + static_cast<std::uint32_t>(random() % 3)});
    }
    // No task takes less than a nanosecond, so that the simulation needs not repeat a step.
    machine.costs = {{.core_ns = 1}, {.core_ns = 30}, {.core_ns = 7, .core_ns_per_byte = 1}};
    return machine;
}

ModelledGraph random_graph(std::mt19937& random, const ModelledMachine& machine) {
    ModelledGraph graph;
    for (TaskIndex task = 0, count = static_cast<TaskIndex>(random() % 25); task < count; ++task) {
        std::vector<TaskIndex> after;
        for (std::size_t i = random() % 3; task > 0 && i > 0; --i) {
            after.push_back(static_cast<TaskIndex>(random() % task));
        }
        const bool on_chips = machine.sub_workers == 0 || random() % 3 != 0;
        const std::size_t pool = on_chips ? machine.chips.size() : machine.sub_workers;
        const std::size_t members = random() % 4 == 0 ? 1 + (random() % pool) : 1;
        const std::size_t first = random() % pool;
        std::vector<ModelledFrame> frames;
        for (std::size_t i = 0; i < members; ++i) {
            const auto chip = static_cast<std::int32_t>((first + i) % pool);
            frames.push_back({on_chips ? chip : kAnySubWorker,
                              static_cast<std::uint32_t>(random() % 3),
                              {random() % 20, static_cast<std::uint32_t>(random() % 4)}});
        }
        graph.add(frames, after);
    }
    return graph;
}

}  // namespace

TEST_CASE("random graphs take the time that they take when every nanosecond is simulated") {
    std::mt19937 random(20261127);
    for (int round = 0; round < 400; ++round) {
        CAPTURE(round);
        const ModelledMachine machine = random_machine(random);
        const ModelledGraph graph = random_graph(random, machine);
        const auto time = virtual_time(graph, machine);
        REQUIRE(time.ok());
        const auto simulated = Steps(graph, machine).run();
        REQUIRE(simulated.size() == time->spans.size());
        VirtualNs last = 0;
        for (std::size_t i = 0; i < simulated.size(); ++i) {
            CAPTURE(i);
            REQUIRE(time->spans[i].begin_ns == simulated[i].begin_ns);
            REQUIRE(time->spans[i].end_ns == simulated[i].end_ns);
            REQUIRE(time->spans[i].child == simulated[i].child);
            last = std::max(last, simulated[i].end_ns);
        }
        REQUIRE(time->makespan_ns == last);
    }
}

TEST_CASE("a graph takes the same time on every run") {
    std::mt19937 random(5);
    for (int round = 0; round < 50; ++round) {
        const ModelledMachine machine = random_machine(random);
        const ModelledGraph graph = random_graph(random, machine);
        const auto first = virtual_time(graph, machine);
        const auto second = virtual_time(graph, machine);
        REQUIRE((first.ok() && second.ok()));
        CHECK(first->makespan_ns == second->makespan_ns);
        CHECK(std::equal(first->spans.begin(), first->spans.end(), second->spans.begin(), second->spans.end(),
                         [](const VirtualSpan& a, const VirtualSpan& b) {
                             return a.child == b.child && a.begin_ns == b.begin_ns && a.end_ns == b.end_ns;
                         }));
    }
}
