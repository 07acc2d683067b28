// Scheduler: runs that follow others.
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::codes_of;
using callring::test::SchedulerFixture;

TEST_CASE("no task of a run begins before the run that it follows has ended, and then all do") {
    SchedulerFixture parent(2);
    const auto first = parent.begin_run();
    const TaskPtr earlier = parent.submit(first, {.on = 0});
    const auto second = parent.begin_run();
    parent.scheduler.follow(second, first, false);
    const TaskPtr held = parent.submit(second, {.on = 1});
    const TaskPtr behind = parent.submit(second, {.on = 1, .after = {held}});
    CHECK(held->state == TaskState::blocked);
    CHECK(parent.claim(1) == nullptr);
    REQUIRE(parent.claim(0) == earlier);
    parent.complete(0);
    parent.drain();
    CHECK(held->state == TaskState::blocked);  // more tasks may come
    parent.seal(first);
    CHECK(held->state == TaskState::dispatched);
    CHECK(parent.work_all() == std::vector<TaskPtr>{held, behind});
}

TEST_CASE("a run that follows several begins when the last of them ends") {
    SchedulerFixture parent(1);
    std::vector<RunPtr> earlier{parent.begin_run(), parent.begin_run(), parent.begin_run()};
    const auto last = parent.begin_run();
    for (const RunPtr& each : earlier) {
        parent.scheduler.follow(last, each, false);
    }
    const TaskPtr held = parent.submit(last, {.on = 0});
    for (const RunPtr& each : earlier) {
        CHECK(held->state == TaskState::blocked);
        parent.seal(each);
    }
    CHECK(held->state == TaskState::dispatched);
}

TEST_CASE("a run that follows an ended run begins at once") {
    SchedulerFixture parent(1);
    const auto first = parent.begin_run();
    parent.seal(first);
    const auto second = parent.begin_run();
    parent.scheduler.follow(second, first, true);
    CHECK(parent.submit(second, {.on = 0})->state == TaskState::dispatched);
}

TEST_CASE("a follower of a failed run is skipped if that run poisons it, else it runs") {
    for (const bool poisoned : {true, false}) {
        for (const bool ended_before : {true, false}) {
            CAPTURE(poisoned);
            CAPTURE(ended_before);
            SchedulerFixture parent(1);
            const auto first = parent.begin_run();
            const TaskPtr bad = parent.submit(first, {.on = 0});
            parent.seal(first);
            const auto fail = [&] {
                REQUIRE(parent.claim(0) == bad);
                parent.fail(0);
                parent.drain();
            };
            if (ended_before) {
                fail();
            }
            const auto second = parent.begin_run();
            parent.scheduler.follow(second, first, poisoned);
            const TaskPtr held = parent.submit(second, {.on = 0});
            if (!ended_before) {
                fail();
            }
            parent.work_all();
            CHECK(held->code == (poisoned ? Code::skipped : Code::ok));
            CHECK((held->root_cause == bad) == poisoned);
            const TaskPtr late = parent.submit(second, {.on = 0});  // after the failure
            parent.work_all();
            CHECK(late->code == (poisoned ? Code::skipped : Code::ok));
        }
    }
}

TEST_CASE("a failure travels through runs without tasks, and names the first task") {
    SchedulerFixture parent(1);
    const auto first = parent.begin_run();
    const TaskPtr bad = parent.submit(first, {.on = 0});
    const auto between = parent.begin_run();
    parent.scheduler.follow(between, first, true);
    const auto last = parent.begin_run();
    parent.scheduler.follow(last, between, true);
    const TaskPtr held = parent.submit(last, {.on = 0});
    for (const RunPtr& run : {last, between, first}) {
        parent.seal(run);
    }
    CHECK(parent.finished.empty());
    REQUIRE(parent.claim(0) == bad);
    parent.fail(0);
    parent.drain();
    CHECK(held->code == Code::skipped);
    CHECK(held->root_cause == bad);
    CHECK(parent.finished == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("a cancelled run poisons its followers, and still ends after the runs that it follows") {
    SchedulerFixture parent(1);
    const auto first = parent.begin_run();
    const TaskPtr running = parent.submit(first, {.on = 0});
    const auto second = parent.begin_run();
    parent.scheduler.follow(second, first, true);
    const TaskPtr held = parent.submit(second, {.on = 0});
    const auto third = parent.begin_run();
    parent.scheduler.follow(third, second, true);
    const TaskPtr last = parent.submit(third, {.on = 0});
    for (const RunPtr& run : parent.runs) {
        parent.seal(run);
    }
    parent.cancel(second);
    CHECK(held->code == Code::cancelled);
    CHECK(last->state == TaskState::blocked);
    CHECK(parent.finished.empty());
    REQUIRE(parent.claim(0) == running);
    parent.complete(0);
    parent.drain();
    CHECK(last->code == Code::skipped);
    CHECK(last->root_cause == held);
    CHECK(parent.finished == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("20,000 runs that follow each other open one after the other without deep recursion") {
    SchedulerFixture parent(1);
    std::vector<RunPtr> chain{parent.begin_run()};
    const TaskPtr first = parent.submit(chain.front(), {.on = 0});
    for (int i = 0; i < 20'000; ++i) {
        chain.push_back(parent.begin_run());
        parent.scheduler.follow(chain.back(), chain[chain.size() - 2], true);
        parent.scheduler.seal(*chain.back());
    }
    const auto last = parent.begin_run();
    parent.scheduler.follow(last, chain.back(), true);
    const TaskPtr held = parent.make_task({.on = 0});
    REQUIRE(parent.scheduler.submit(last, held, {}).ok());
    parent.scheduler.seal(*chain.front());
    REQUIRE(parent.claim(0) == first);
    parent.complete(0);
    parent.scheduler.drain();
    CHECK(held->state == TaskState::dispatched);
    CHECK(parent.finished.size() == chain.size());
    // The fixture checks each of its runs at the end: these two are enough.
    parent.runs = {chain.front(), last};
}

TEST_CASE("a group behind a run waits for it as a whole") {
    SchedulerFixture parent(2);
    const auto first = parent.begin_run();
    const auto second = parent.begin_run();
    parent.scheduler.follow(second, first, true);
    const TaskPtr group = parent.submit_group(second, {{.on = 0}, {.on = 1}});
    CHECK(group->state == TaskState::blocked);
    parent.seal(first);
    CHECK(group->state == TaskState::dispatched);
    parent.work_all();
    CHECK(codes_of({group}) == std::vector<Code>{Code::ok});
}
