// Scheduler: launches of captured graphs.
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::codes_of;
using callring::test::SchedulerFixture;

namespace {

struct Node {
    std::int32_t on = 0;
    std::vector<NodeId> after;
};

struct Launched {
    RunPtr run;
    TaskBlock block;  // until it is launched
    std::vector<TaskPtr> tasks;
};

std::shared_ptr<CapturedGraph> capture(const SchedulerFixture& parent, const std::vector<Node>& nodes) {
    auto graph = std::make_shared<CapturedGraph>();
    for (const Node& node : nodes) {
        GraphNode made;
        made.callable = parent.callable;
        made.args = no_arguments();
        made.placement = node.on;
        graph->add(std::move(made), node.after, {});
    }
    graph->seal();
    return graph;
}

// As Engine::launch() does, into a run of its own.
Launched prepare(SchedulerFixture& parent, const std::shared_ptr<CapturedGraph>& graph) {
    Launched launched{parent.begin_run(), TaskBlock(graph->size()), {}};
    for (NodeId id = 0; id < graph->size(); ++id) {
        Task& task = launched.block[id];
        launched.tasks.emplace_back(&task);
        task.callable = graph->node(id).callable;
        task.args = graph->node(id).args;
        task.argument_bytes = static_cast<std::uint32_t>(argument_bytes(*task.args));
        task.placement = graph->node(id).placement;
        task.config = graph->node(id).config;
        task.config.trace = 0;
    }
    launched.run->graph = graph;
    return launched;
}

Launched launch(SchedulerFixture& parent, const std::shared_ptr<CapturedGraph>& graph) {
    Launched launched = prepare(parent, graph);
    REQUIRE(parent.scheduler.launch(launched.run, std::move(launched.block)).ok());
    parent.check();
    parent.seal(launched.run);
    return launched;
}

}  // namespace

TEST_CASE("a launch runs every node once, after the nodes that it follows") {
    SchedulerFixture parent(2);
    const auto graph = capture(parent, {{0, {}}, {1, {0}}, {1, {}}, {0, {1, 2}}});
    const Launched launched = launch(parent, graph);
    CHECK(parent.callable->in_flight == 4);
    CHECK(launched.tasks[1]->state == TaskState::blocked);
    const auto order = parent.work_all();
    CHECK(order.size() == 4);
    CHECK(order.back() == launched.tasks[3]);
    CHECK(codes_of(launched.tasks) == std::vector<Code>(4, Code::ok));
    CHECK(parent.finished == std::vector<std::uint64_t>{1});
}

TEST_CASE("a graph is launched any number of times, also while an earlier launch runs") {
    SchedulerFixture parent(1);
    const auto graph = capture(parent, {{0, {}}, {0, {0}}, {0, {1}}});
    std::vector<Launched> launches;
    for (int i = 0; i < 5; ++i) {
        launches.push_back(launch(parent, graph));
    }
    CHECK(parent.work_all().size() == 15);
    for (const Launched& launched : launches) {
        CHECK(codes_of(launched.tasks) == std::vector<Code>(3, Code::ok));
    }
}

TEST_CASE("the frames of a chain lie in the lane at once, without a round trip for each, and one wake-up for all") {
    SchedulerFixture parent(1);
    const Launched launched = launch(parent, capture(parent, {{0, {}}, {0, {0}}, {0, {1}}}));
    for (const TaskPtr& task : launched.tasks) {
        CHECK(task->state == TaskState::dispatched);
    }
    CHECK(parent.woken[0] == 1);
}

TEST_CASE("a failed node skips its followers, and no other nodes") {
    SchedulerFixture parent(2);
    const Launched launched = launch(parent, capture(parent, {{0, {}}, {1, {0}}, {1, {1}}, {1, {}}}));
    REQUIRE(parent.claim(0) == launched.tasks[0]);
    parent.fail(0);
    parent.drain();
    parent.work_all();
    CHECK(codes_of(launched.tasks) == std::vector<Code>{Code::kernel_failed, Code::skipped, Code::skipped, Code::ok});
    CHECK(launched.tasks[2]->root_cause == launched.tasks[0]);
}

TEST_CASE("a node whose child dies is lost, its followers are skipped, and other launches of the graph go on") {
    SchedulerFixture parent(1, 0, 8);
    const auto graph = capture(parent, {{0, {}}, {0, {0}}});
    const Launched first = launch(parent, graph);
    const Launched second = launch(parent, graph);
    REQUIRE(parent.claim(0) == first.tasks[0]);
    parent.die(0);
    CHECK(codes_of(first.tasks) == std::vector<Code>{Code::worker_lost, Code::skipped});
    parent.start(0);
    parent.work_all();
    CHECK(codes_of(second.tasks) == std::vector<Code>(2, Code::ok));
}

TEST_CASE("a launch is refused as a whole for one node that cannot run, and its run finishes without tasks") {
    SchedulerFixture parent(2);
    const auto graph = capture(parent, {{0, {}}, {1, {}}});
    parent.lose_for_good(1);
    Launched launched = prepare(parent, graph);
    const auto refused = parent.scheduler.launch(launched.run, std::move(launched.block));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::given_up);
    CHECK(launched.run->accepted == 0);
    CHECK(parent.callable->in_flight == 0);
    CHECK(parent.claim(0) == nullptr);
    parent.seal(launched.run);
    CHECK(parent.finished.size() == 1);
}

TEST_CASE("a launch of a graph without nodes finishes when it is sealed") {
    SchedulerFixture parent(1);
    launch(parent, capture(parent, {}));
    CHECK(parent.finished.size() == 1);
}

TEST_CASE("a launch behind a run begins when that run has ended, and is skipped if it failed and poisons") {
    for (const bool fails : {false, true}) {
        CAPTURE(fails);
        SchedulerFixture parent(1);
        const auto earlier = parent.begin_run();
        const TaskPtr first = parent.submit(earlier, {.on = 0});
        parent.seal(earlier);
        Launched launched = prepare(parent, capture(parent, {{0, {}}, {0, {0}}}));
        parent.scheduler.follow(launched.run, earlier, true);
        REQUIRE(parent.scheduler.launch(launched.run, std::move(launched.block)).ok());
        parent.check();
        parent.seal(launched.run);
        CHECK(launched.tasks[0]->state == TaskState::blocked);
        REQUIRE(parent.claim(0) == first);
        if (fails) {
            parent.fail(0);
        } else {
            parent.complete(0);
        }
        parent.drain();
        parent.work_all();
        CHECK(codes_of(launched.tasks) == std::vector<Code>(2, fails ? Code::skipped : Code::ok));
        CHECK(parent.finished == std::vector<std::uint64_t>{1, 2});
    }
}

TEST_CASE("cancelling a launch withdraws the nodes that have not begun") {
    SchedulerFixture parent(1);
    const Launched launched = launch(parent, capture(parent, {{0, {}}, {0, {0}}, {0, {1}}}));
    REQUIRE(parent.claim(0) == launched.tasks[0]);
    parent.cancel(launched.run);
    CHECK(launched.tasks[1]->code == Code::cancelled);
    CHECK(launched.tasks[2]->code == Code::cancelled);
    parent.complete(0);
    parent.drain();
    CHECK(launched.tasks[0]->code == Code::ok);
}

TEST_CASE("the tasks of an ended launch are freed, though one of them failed") {
    SchedulerFixture parent(1);
    const auto before = parent.callable.use_count();  // each task owns its callable
    {
        const Launched launched = launch(parent, capture(parent, {{0, {}}, {0, {0}}, {0, {}}}));
        REQUIRE(parent.claim(0) != nullptr);
        parent.fail(0);
        parent.work_all();
        parent.begun.clear();
        CHECK(launched.tasks[1]->root_cause == launched.tasks[0]);
        CHECK(launched.run->tasks.size() == 3);
    }
    parent.runs.clear();
    CHECK(parent.callable.use_count() == before);
}
