// When tasks begin and end on modelled chips.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "virtual_time/virtual_time.h"

using namespace callring;

namespace {

constexpr std::uint32_t kShort = 0;
constexpr std::uint32_t kLong = 1;

// Chips whose tasks of 100 and 1000 ns are handed over in 7 ns.
ModelledMachine machine(std::size_t chips, std::uint32_t sub_workers = 0, VirtualNs dispatch_ns = 0) {
    return {std::vector<ChipModel>(chips, ChipModel{.latency_ns = 7}),
            sub_workers,
            dispatch_ns,
            {{.core_ns = 100}, {.core_ns = 1000}}};
}

void add(ModelledGraph& graph, std::int32_t placement, std::uint32_t callable,
         const std::vector<std::uint32_t>& after = {}) {
    const ModelledFrame frame{placement, callable, {.blocks = 1}};
    graph.add({&frame, 1}, after);
}

std::vector<VirtualNs> begins(const VirtualTime& time) {
    std::vector<VirtualNs> begins;
    begins.reserve(time.spans.size());
    for (const VirtualSpan& span : time.spans) {
        begins.push_back(span.begin_ns);
    }
    return begins;
}

using Times = std::vector<VirtualNs>;

}  // namespace

TEST_CASE("tasks of different chips overlap, those of one chip follow each other without a further hand-over") {
    ModelledGraph graph;
    add(graph, 0, kShort);
    add(graph, 1, kLong);
    add(graph, 0, kShort);
    const auto time = virtual_time(graph, machine(2));
    REQUIRE(time.ok());
    CHECK(begins(*time) == Times{7, 7, 107});
    CHECK(time->makespan_ns == 1007);
    CHECK(time->critical_path_ns == 1007);
    CHECK(time->one_by_one_ns == 3 * 7 + 1200);
}

TEST_CASE("a dependency between chips costs a hand-over, one within a chip none") {
    ModelledGraph graph;
    add(graph, 0, kShort);
    add(graph, 0, kShort, {0});
    add(graph, 1, kShort, {1});
    const auto time = virtual_time(graph, machine(2));
    REQUIRE(time.ok());
    CHECK(begins(*time) == Times{7, 107, 214});
    CHECK(time->critical_path_ns == time->makespan_ns);
}

TEST_CASE("a chip takes the task that is ready first, and does not wait for one that was submitted earlier") {
    ModelledGraph graph;
    add(graph, 1, kLong);
    add(graph, 0, kShort, {0});
    add(graph, 0, kShort);
    const auto time = virtual_time(graph, machine(2));
    REQUIRE(time.ok());
    CHECK(begins(*time) == Times{7, 1014, 7});
}

TEST_CASE("the parent hands over one task at a time") {
    ModelledGraph graph;
    for (std::int32_t chip = 0; chip < 3; ++chip) {
        add(graph, chip, kShort);
    }
    const auto time = virtual_time(graph, machine(3, 0, 50));
    REQUIRE(time.ok());
    CHECK(begins(*time) == Times{57, 107, 157});
}

TEST_CASE("sub-workers take tasks as they become idle") {
    ModelledGraph graph;
    add(graph, kAnySubWorker, kLong);
    for (int i = 0; i < 3; ++i) {
        add(graph, kAnySubWorker, kShort);
    }
    const auto time = virtual_time(graph, machine(1, 2));
    REQUIRE(time.ok());
    CHECK(begins(*time) == Times{0, 0, 100, 200});
    CHECK(time->spans[0].child == 1);
    CHECK(time->spans[3].child == 2);
}

TEST_CASE("the members of a group begin together, and the group's followers wait for all members") {
    ModelledGraph graph;
    add(graph, 0, kShort);
    const std::vector<ModelledFrame> members{{0, kShort, {.blocks = 1}}, {1, kLong, {.blocks = 1}}};
    graph.add(members, {});
    add(graph, 0, kShort, {1});
    const auto time = virtual_time(graph, machine(2));
    REQUIRE(time.ok());
    CHECK(begins(*time) == Times{7, 107, 107, 1114});
}

TEST_CASE("a worker, task or callable that does not exist is refused") {
    const auto refused = [](std::int32_t placement, std::uint32_t callable, const std::vector<std::uint32_t>& after) {
        ModelledGraph graph;
        add(graph, placement, callable, after);
        return !virtual_time(graph, machine(1)).ok();
    };
    CHECK_FALSE(refused(0, kShort, {}));
    CHECK(refused(1, kShort, {}));
    CHECK(refused(-2, kShort, {}));
    CHECK(refused(kAnySubWorker, kShort, {}));
    CHECK(refused(0, 2, {}));
    CHECK(refused(0, kShort, {0}));
    ModelledGraph twice;
    const std::vector<ModelledFrame> members(2, ModelledFrame{0, kShort, {}});
    twice.add(members, {});
    CHECK_FALSE(virtual_time(twice, machine(1)).ok());
    ModelledGraph none;
    none.add({}, {});
    CHECK_FALSE(virtual_time(none, machine(1)).ok());
}

TEST_CASE("the error of a refused graph names the task and what is wrong with it") {
    const auto message = [](const std::vector<ModelledFrame>& frames, const std::vector<std::uint32_t>& after = {}) {
        ModelledGraph graph;
        add(graph, 0, kShort);
        graph.add(frames, after);
        const auto time = virtual_time(graph, machine(2, 2));
        CHECK(time.error().code == Code::invalid_argument);
        return time.error().message;
    };
    const ModelledFrame on_first{0, kShort, {}};
    const ModelledFrame on_second{1, kShort, {}};
    const ModelledFrame on_any{kAnySubWorker, kShort, {}};
    CHECK(message({}) == "task 1: no member, or more than there are sub-workers");
    CHECK(message({on_any, on_any, on_any}) == "task 1: no member, or more than there are sub-workers");
    CHECK(message({on_first, on_any}) == "task 1: no such chip, or no such callable");
    CHECK(message({on_any, on_first}) == "task 1: no such chip, or no such callable");
    CHECK(message({{2, kShort, {}}}) == "task 1: no such chip, or no such callable");
    CHECK(message({{INT32_MIN, kShort, {}}}) == "task 1: no such chip, or no such callable");
    CHECK(message({on_first, on_second, on_first}) == "task 1: two members on one chip");
    CHECK(message({on_first}, {0, 1}) == "task 1: follows a task that is not before it");
}

TEST_CASE("a graph without tasks takes no time, on a machine without workers as well") {
    for (const std::size_t chips : {0U, 2U}) {
        const auto time = virtual_time({}, machine(chips));
        REQUIRE(time.ok());
        CHECK(time->spans.empty());
        CHECK(time->makespan_ns == 0);
        CHECK(time->critical_path_ns == 0);
        CHECK(time->one_by_one_ns == 0);
    }
}

TEST_CASE("the hand-over of a group takes the time of all its members, and the longest way to one of them") {
    ModelledGraph graph;
    const std::vector<ModelledFrame> members{{0, kShort, {.blocks = 1}}, {1, kShort, {.blocks = 1}}};
    graph.add(members, {});
    auto modelled = machine(2, 0, 50);
    modelled.chips[1].latency_ns = 300;
    const auto time = virtual_time(graph, modelled);
    REQUIRE(time.ok());
    CHECK(begins(*time) == Times{400, 400});
    CHECK(time->makespan_ns == 500);
    CHECK(time->one_by_one_ns == 500);
}

TEST_CASE("times that the clock cannot count are refused, never wrapped around") {
    ModelledGraph graph;
    for (int i = 0; i < 3; ++i) {
        add(graph, 0, kShort);
    }
    auto slow = machine(1);
    slow.costs[kShort].core_ns = 2e18;
    CHECK_FALSE(virtual_time(graph, slow).ok());
    auto far = machine(1);
    far.chips[0].latency_ns = UINT64_MAX;
    CHECK_FALSE(virtual_time(graph, far).ok());
    CHECK_FALSE(virtual_time(graph, machine(1, 0, UINT64_MAX)).ok());
}

TEST_CASE("the longest latency and hand-over are allowed, and one nanosecond more is refused") {
    ModelledGraph graph;
    add(graph, 0, kShort);
    auto longest = machine(1, 0, kLongestDelayNs);
    longest.chips[0].latency_ns = kLongestDelayNs;
    const auto time = virtual_time(graph, longest);
    REQUIRE(time.ok());
    CHECK(time->makespan_ns == (2 * kLongestDelayNs) + 100);
    for (const bool in_latency : {true, false}) {
        auto longer = longest;
        ++(in_latency ? longer.chips[0].latency_ns : longer.dispatch_ns);
        CHECK(virtual_time(graph, longer).error().message.find("more than eleven days") != std::string::npos);
    }
}

TEST_CASE("the hand-over of a huge group is refused if the clock cannot count it, never wrapped around") {
    constexpr std::uint32_t kMembers = 20'000;  // 20,000 hand-overs of eleven days are more than 2^64 ns
    ModelledGraph graph;
    const std::vector<ModelledFrame> members(kMembers, ModelledFrame{kAnySubWorker, kShort, {}});
    graph.add(members, {});
    CHECK_FALSE(virtual_time(graph, machine(0, kMembers, kLongestDelayNs)).ok());
    CHECK(virtual_time(graph, machine(0, kMembers, kLongestDelayNs / kMembers)).ok());
}

TEST_CASE("random graphs: dependencies hold, no worker does two things at once, and the time lies within its bounds") {
    std::mt19937 random(20261124);
    const auto below = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); };
    for (int round = 0; round < 500; ++round) {
        const std::uint32_t chips = 1 + below(4);
        const std::uint32_t sub_workers = below(3);
        ModelledGraph graph;
        const std::uint32_t tasks = below(40);
        for (std::uint32_t task = 0; task < tasks; ++task) {
            std::vector<std::uint32_t> after;
            for (std::uint32_t i = 0; task > 0 && i < below(3); ++i) {
                after.push_back(below(task));
            }
            std::vector<ModelledFrame> frames;
            const bool on_chips = sub_workers == 0 || below(4) != 0;
            const std::uint32_t pool = on_chips ? chips : sub_workers;
            const std::uint32_t members = below(4) == 0 ? 1 + below(pool) : 1;
            const std::uint32_t first = below(pool);
            for (std::uint32_t i = 0; i < members; ++i) {
                const auto chip = static_cast<std::int32_t>((first + i) % pool);
                const TaskDemand demand{below(1000), below(5)};
                frames.push_back({on_chips ? chip : kAnySubWorker, below(2), demand});
            }
            graph.add(frames, after);
        }
        auto modelled = machine(chips, sub_workers, below(2) ? 20 : 0);
        for (ChipModel& chip : modelled.chips) {
            chip = {below(50), 1e9 * (1 + below(4)), 1 + below(4)};
        }
        const auto time = virtual_time(graph, modelled);
        REQUIRE(time.ok());
        CHECK(time->critical_path_ns <= time->makespan_ns);
        CHECK(time->makespan_ns <= time->one_by_one_ns);
        std::vector<std::vector<VirtualSpan>> of(chips + sub_workers);
        const auto end_of = [&](std::uint32_t task) {
            VirtualNs end = 0;
            for (std::size_t i = 0; i < graph.frames(task).size(); ++i) {
                end = std::max(end, time->spans[graph.first_frame(task) + i].end_ns);
            }
            return end;
        };
        for (std::uint32_t task = 0; task < tasks; ++task) {
            for (std::size_t i = 0; i < graph.frames(task).size(); ++i) {
                const VirtualSpan& span = time->spans[graph.first_frame(task) + i];
                CHECK(span.begin_ns == time->spans[graph.first_frame(task)].begin_ns);
                of.at(static_cast<std::size_t>(span.child)).push_back(span);
                for (const std::uint32_t earlier : graph.predecessors(task)) {
                    CHECK(end_of(earlier) <= span.begin_ns);
                }
            }
        }
        for (auto& spans : of) {
            std::sort(spans.begin(), spans.end(), [](const VirtualSpan& a, const VirtualSpan& b) {
                return std::pair(a.begin_ns, a.end_ns) < std::pair(b.begin_ns, b.end_ns);
            });
            for (std::size_t i = 1; i < spans.size(); ++i) {
                CHECK(spans[i - 1].end_ns <= spans[i].begin_ns);
            }
        }
    }
}
