// Scheduler: cancelling runs.
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::codes_of;
using callring::test::SchedulerFixture;

TEST_CASE("cancelling a run withdraws tasks that have not begun, wherever they wait, and lets running ones end") {
    SchedulerFixture parent(2, 1, 2);
    const auto run = parent.begin_run();
    const TaskPtr running = parent.submit(run, {.on = 0});
    REQUIRE(parent.claim(0) == running);
    std::vector<TaskPtr> others{parent.submit(run, {.on = 0}), parent.submit(run, {.on = 0})};  // in the lane, queued
    for (int i = 0; i < 4; ++i) {
        others.push_back(parent.submit(run));  // in the sub-worker's lane, and in its queue
    }
    others.push_back(parent.submit(run, {.on = 1, .after = {running}}));  // blocked
    parent.cancel(run);
    CHECK(codes_of(others) == std::vector<Code>(others.size(), Code::cancelled));
    CHECK(running->state == TaskState::dispatched);
    CHECK(run->withdrawn != nullptr);
    CHECK(run->failures.empty());
    parent.complete(0);
    parent.drain();
    CHECK(running->code == Code::ok);
    CHECK(parent.work_all().empty());
    CHECK(parent.scheduler.counts().cancelled == others.size());
}

TEST_CASE("a cancelled run accepts tasks, and they end as cancelled at once") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    parent.cancel(run);
    const TaskPtr task = parent.submit(run, {.on = 0});
    CHECK(task->code == Code::cancelled);
    CHECK(run->withdrawn == task);
}

TEST_CASE("cancelling one run makes room for another") {
    SchedulerFixture parent(1, 0, 2);
    const auto first = parent.begin_run();
    for (int i = 0; i < 5; ++i) {
        parent.submit(first, {.on = 0});
    }
    const auto second = parent.begin_run();
    const TaskPtr task = parent.submit(second, {.on = 0});
    parent.cancel(first);
    CHECK(parent.work_all() == std::vector<TaskPtr>{task});
}

TEST_CASE("cancelling a run takes the retries of a task that would begin again") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 0, .retries = 5});
    REQUIRE(parent.claim(0) == task);
    parent.cancel(run);
    parent.die(0);
    CHECK(task->code == Code::worker_lost);
}

TEST_CASE("a child passes over a revoked frame, and never completes it") {
    SchedulerFixture parent(1);
    const auto first = parent.begin_run();
    const auto second = parent.begin_run();
    parent.submit(first, {.on = 0});
    const TaskPtr kept = parent.submit(second, {.on = 0});
    parent.submit(first, {.on = 0});
    parent.cancel(first);
    CHECK(parent.work(0) == std::vector<TaskPtr>{kept});
    CHECK(parent.drain() == 1);
    CHECK(parent.violations.empty());
}

TEST_CASE("a cancelled run finishes when its running tasks have ended") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr running = parent.submit(run, {.on = 0});
    parent.submit(run, {.on = 0});
    REQUIRE(parent.claim(0) == running);
    parent.seal(run);
    parent.cancel(run);
    CHECK(parent.finished.empty());
    parent.complete(0);
    parent.drain();
    CHECK(parent.finished.size() == 1);
    parent.cancel(run);  // no effect: the run has finished
    CHECK(parent.finished.size() == 1);
}
