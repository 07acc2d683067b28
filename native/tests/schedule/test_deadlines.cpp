// Scheduler: deadlines, and ending running tasks.
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

namespace {

// Children note times of this machine's clock, which goes on while a test runs: so both times are far longer than a
// test.
constexpr std::uint64_t kDeadline = UINT64_C(1'000'000'000'000);
constexpr std::uint64_t kPatience = UINT64_C(100'000'000'000'000);

}  // namespace

TEST_CASE(
    "a check is requested for the first moment at which a deadline can be exceeded, and for no task without one") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    parent.submit(run, {.on = 0});
    CHECK(parent.deadlines.empty());
    parent.submit(run, {.on = 0, .deadline_ns = kDeadline});
    CHECK(parent.deadlines == std::vector<std::uint64_t>{parent.now_ns() + kDeadline});
    CHECK(parent.child(0).look_at_ns == parent.now_ns() + kDeadline);
    parent.submit(run, {.on = 0, .deadline_ns = 2 * kDeadline});
    CHECK(parent.deadlines.size() == 1);  // the first task's check comes earlier
    parent.submit(run, {.on = 0, .deadline_ns = kDeadline / 2});
    CHECK(parent.deadlines.size() == 2);
}

TEST_CASE("a task that runs longer than its deadline ends as timed out with its child, and waiting tasks go on") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr slow = parent.submit(run, {.on = 0, .deadline_ns = kDeadline});
    const TaskPtr behind = parent.submit(run, {.on = 0, .after = {slow}});
    const TaskPtr waiting = parent.submit(run, {.on = 0});
    REQUIRE(parent.claim(0) == slow);
    parent.pass(kDeadline / 2);
    CHECK_FALSE(parent.expire(0, kPatience));
    CHECK(parent.child(0).look_at_ns > parent.now_ns());
    parent.pass(kDeadline);
    CHECK(parent.expire(0, kPatience));
    CHECK(slow->ended_as == Code::task_timeout);
    CHECK(parent.child(0).ended_for_task);
    CHECK_FALSE(parent.child(0).takes_work());
    CHECK(waiting->state == TaskState::ready);  // its child cannot begin the task any more
    parent.die(0);
    CHECK(slow->code == Code::task_timeout);
    CHECK(behind->code == Code::skipped);
    parent.start(0);
    CHECK(parent.work_all() == std::vector<TaskPtr>{waiting});
    CHECK(parent.scheduler.counts().timed_out == 1);
    CHECK(parent.scheduler.counts().lost == 0);
}

TEST_CASE("a deadline is not exceeded while the task waits behind another one") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0});
    const TaskPtr second = parent.submit(run, {.on = 0, .deadline_ns = kDeadline});
    REQUIRE(parent.claim(0) == first);
    parent.pass(3 * kDeadline);
    CHECK_FALSE(parent.expire(0, kPatience));
    CHECK(parent.child(0).look_at_ns == parent.now_ns() + kDeadline);  // the task begins now at the earliest
    parent.complete(0);
    parent.drain();
    REQUIRE(parent.claim(0) == second);
    parent.complete(0);
    parent.drain();
    CHECK(second->code == Code::ok);
}

TEST_CASE("a task that was completed before the check of its deadline ends as it was completed") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 0, .deadline_ns = kDeadline});
    REQUIRE(parent.claim(0) == task);
    parent.complete(0);
    parent.pass(2 * kDeadline);
    CHECK_FALSE(parent.expire(0, kPatience));
    CHECK(parent.child(0).takes_work());
    parent.drain();
    CHECK(task->code == Code::ok);
}

TEST_CASE("a timed-out task is not begun again, though it has retries") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 0, .retries = 3, .deadline_ns = kDeadline});
    REQUIRE(parent.claim(0) == task);
    parent.pass(2 * kDeadline);
    REQUIRE(parent.expire(0, kPatience));
    parent.die(0);
    CHECK(task->code == Code::task_timeout);
    CHECK(parent.scheduler.counts().begun_again == 0);
}

TEST_CASE("a child that does not note that it began counts as having begun when its parent's patience ends") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 0, .deadline_ns = kDeadline});  // never claimed
    parent.pass(2 * kDeadline);
    CHECK_FALSE(parent.expire(0, kPatience));
    parent.pass(kPatience - kDeadline - 1);
    CHECK_FALSE(parent.expire(0, kPatience));
    parent.pass(1);
    CHECK(parent.expire(0, kPatience));
    CHECK(task->ended_as == Code::task_timeout);
    parent.die(0);
    CHECK(task->code == Code::task_timeout);
}

TEST_CASE("a child that notes again and again that it began just now gains no time") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 0, .deadline_ns = kDeadline});
    REQUIRE(parent.claim(0) == task);
    for (int i = 0; i < 3; ++i) {
        parent.header(0).begun_ns.store(parent.now_ns());
        CHECK_FALSE(parent.expire(0, kPatience));
        parent.pass(kDeadline / 3);
    }
    parent.header(0).begun_ns.store(parent.now_ns());
    parent.pass(3);
    CHECK(parent.expire(0, kPatience));
    parent.die(0);
}

TEST_CASE("a child that notes a time in the future counts as having begun when it became busy") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 0, .deadline_ns = kDeadline});
    REQUIRE(parent.claim(0) == task);
    parent.header(0).begun_ns.store(UINT64_MAX);
    parent.pass(kDeadline - 1);
    CHECK_FALSE(parent.expire(0, kPatience));
    parent.pass(1);
    CHECK(parent.expire(0, kPatience));
    parent.die(0);
}

TEST_CASE("a child that takes no work is not checked") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 0, .deadline_ns = kDeadline});
    REQUIRE(parent.claim(0) == task);
    parent.child(0).condemned = "it did not answer";
    parent.pass(2 * kDeadline);
    CHECK_FALSE(parent.expire(0, kPatience));
    CHECK(parent.child(0).look_at_ns == 0);
    parent.die(0);
    CHECK(task->code == Code::worker_lost);
}

TEST_CASE("a running task can be ended with its child as cancelled or lost, and no other task is lost") {
    for (const Code code : {Code::cancelled, Code::worker_lost}) {
        CAPTURE(static_cast<int>(code));
        SchedulerFixture parent(0, 1);
        const auto run = parent.begin_run();
        const TaskPtr running = parent.submit(run, {.retries = 2});
        const TaskPtr waiting = parent.submit(run);
        REQUIRE(parent.claim(0) == running);
        CHECK(parent.scheduler.runner_of(*running) == &parent.child(0));
        CHECK(parent.scheduler.runner_of(*waiting) == nullptr);
        CHECK_FALSE(parent.scheduler.end_running(waiting, code));
        CHECK(parent.scheduler.end_running(running, code));
        parent.check();
        CHECK(waiting->state == TaskState::ready);
        parent.die(0);
        CHECK(running->code == code);
        parent.start(0);
        CHECK(parent.work_all() == std::vector<TaskPtr>{waiting});
    }
}

TEST_CASE("a task that was completed meanwhile cannot be ended, and its child goes on") {
    SchedulerFixture parent(0, 1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run);
    const TaskPtr next = parent.submit(run);
    REQUIRE(parent.claim(0) == task);
    parent.complete(0);
    CHECK_FALSE(parent.scheduler.end_running(task, Code::cancelled));
    CHECK(parent.child(0).takes_work());
    parent.work_all();
    CHECK(task->code == Code::ok);
    CHECK(next->code == Code::ok);
}
