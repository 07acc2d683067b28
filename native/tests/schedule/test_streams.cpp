// Scheduler: streams, whose tasks go to the thread that takes the ended ones.
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

TEST_CASE("the ended tasks of a stream lie in its outbox in the order of their ends, whatever their outcomes") {
    SchedulerFixture parent(2);
    const auto stream = parent.begin_run(true);
    const TaskPtr slow = parent.submit(stream, {.on = 0});
    const TaskPtr bad = parent.submit(stream, {.on = 1});
    const TaskPtr good = parent.submit(stream, {.on = 1});
    REQUIRE(parent.claim(0) == slow);
    REQUIRE(parent.claim(1) == bad);
    parent.fail(1);
    parent.work(1);
    parent.drain();
    parent.complete(0);
    parent.drain();
    CHECK(stream->outbox == std::vector<TaskPtr>{bad, good, slow});
    CHECK(stream->failures.empty());
    CHECK(stream->tasks.size() == 0);
}

TEST_CASE("the taker of a stream is woken for tasks that no caller awaits, and for many that callers do") {
    SchedulerFixture parent(1);
    const auto stream = parent.begin_run(true);
    parent.submit(stream, {.on = 0});
    parent.work_all();
    CHECK(parent.scheduler.take_stream_moved());
    CHECK_FALSE(parent.scheduler.take_stream_moved());
    stream->outbox.clear();
    parent.submit(stream, {.on = 0, .awaited = true});
    parent.work_all();
    CHECK_FALSE(parent.scheduler.take_stream_moved());
    std::size_t awaited = 1;
    while (!parent.scheduler.take_stream_moved()) {
        REQUIRE(awaited < 10'000);
        parent.submit(stream, {.on = 0, .awaited = true});
        parent.work_all();
        ++awaited;
    }
    CHECK(stream->outbox.size() == awaited);
    CHECK(awaited > 1);
}

TEST_CASE("the taker of a stream is woken for its end, though a caller awaits the last task") {
    SchedulerFixture parent(1);
    const auto stream = parent.begin_run(true);
    parent.submit(stream, {.on = 0, .awaited = true});
    parent.seal(stream);
    parent.work_all();
    CHECK(parent.scheduler.take_stream_moved());
    CHECK(parent.finished.size() == 1);
}

TEST_CASE("one task of a stream is withdrawn if it has not begun, from a lane or from a queue") {
    SchedulerFixture parent(0, 1, 2);
    const auto stream = parent.begin_run(true);
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 4; ++i) {
        tasks.push_back(parent.submit(stream));
    }
    REQUIRE(parent.claim(0) == tasks[0]);
    CHECK_FALSE(parent.scheduler.cancel(tasks[0]));
    CHECK(parent.scheduler.cancel(tasks[1]));
    parent.check();
    CHECK(parent.scheduler.cancel(tasks[3]));
    parent.check();
    CHECK_FALSE(parent.scheduler.cancel(tasks[3]));
    CHECK(tasks[1]->code == Code::cancelled);
    parent.complete(0);
    parent.drain();
    CHECK(parent.work_all() == std::vector<TaskPtr>{tasks[2]});
    CHECK(stream->outbox == std::vector<TaskPtr>{tasks[1], tasks[3], tasks[0], tasks[2]});
}

TEST_CASE("cancelling a stream withdraws all tasks that have not begun, and later ones end at once") {
    SchedulerFixture parent(0, 2, 2);
    const auto stream = parent.begin_run(true);
    const auto other = parent.begin_run(true);
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 10; ++i) {
        tasks.push_back(parent.submit(i % 3 == 0 ? other : stream));
    }
    parent.cancel(stream);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        CHECK((tasks[i]->state == TaskState::ended) == (i % 3 != 0));
    }
    CHECK(parent.submit(stream)->code == Code::cancelled);
    CHECK(parent.work_all().size() == 4);
}

TEST_CASE("a stream loses the task that ran on a child that died, and no others") {
    SchedulerFixture parent(0, 1);
    const auto stream = parent.begin_run(true);
    const TaskPtr first = parent.submit(stream);
    const TaskPtr second = parent.submit(stream);
    REQUIRE(parent.claim(0) == first);
    parent.die(0);
    parent.start(0);
    parent.work_all();
    CHECK(first->code == Code::worker_lost);
    CHECK(second->code == Code::ok);
    CHECK(stream->outbox == std::vector<TaskPtr>{first, second});
}
