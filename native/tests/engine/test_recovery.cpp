// Engine: chips that die, take too long or are given up.
#include "tests/engine/engine_fixture.h"

using namespace callring;
using callring::test::EngineFixture;
using callring::test::HoldingChips;

TEST_CASE("a chip that is killed loses its running task and is replaced, and the next task runs there") {
    HoldingChips worker;
    const auto first = worker.vector();
    const auto second = worker.vector();
    second.release();
    const TaskPtr lost = worker.submit_hold(first);
    const TaskPtr waiting = worker.submit_hold(second);
    first.await_begin();
    ::kill(worker.engine->children()[0].pid, SIGKILL);
    worker.finish(worker.run);
    CHECK(lost->code == Code::worker_lost);
    CHECK(waiting->code == Code::ok);
    const auto children = worker.engine->children();
    CHECK(children[0].incarnation == 2);
    CHECK(children[0].last_end->status.signal == SIGKILL);
    CHECK(children[0].installed.size() == 1);  // the replacement has what its predecessor had
    CHECK(worker.engine->stats().restarts == 1);
}

TEST_CASE("a task with a retry begins again in the replacement") {
    HoldingChips worker;
    const auto vector = worker.vector();
    const TaskPtr task = EngineFixture::task(worker.holding, {vector.as(Tag::inout)});
    task->config.retries = 1;
    worker.submit(worker.run, task);
    vector.await_begin();
    vector.release();  // for the second attempt: the task may end before the chip is killed
    ::kill(worker.engine->children()[0].pid, SIGKILL);
    worker.finish(worker.run);
    CHECK(task->code == Code::ok);
}

TEST_CASE("a task that exceeds its deadline ends as timed out, and its chip is replaced") {
    HoldingChips worker;
    const auto vector = worker.vector();
    const TaskPtr task = EngineFixture::task(worker.holding, {vector.as(Tag::inout)});
    task->config.deadline_ns = 1'000'000;
    worker.submit(worker.run, task);
    worker.finish(worker.run);  // never released
    CHECK(task->code == Code::task_timeout);
    CHECK(worker.engine->stats().tasks.timed_out == 1);
    const auto next = worker.vector();
    next.release();
    const auto again = worker.begin_run();
    worker.submit(again, EngineFixture::task(worker.holding, {next.as(Tag::inout)}));
    worker.finish(again);
    CHECK(worker.engine->children()[0].incarnation == 2);
}

TEST_CASE("a running task ends with its chip as the requested outcome, and a task that does not run is untouched") {
    EngineFixture worker(1);
    const CallablePtr hold = worker.add(EngineFixture::hold());
    REQUIRE(worker.start().ok());
    const auto stream = worker.engine->begin_stream();
    const auto vector = worker.vector();
    const auto other = worker.vector();
    other.release();
    const TaskPtr running = worker.submit(stream, EngineFixture::task(hold, {vector.as(Tag::no_dep)}));
    const TaskPtr waiting = worker.submit(stream, EngineFixture::task(hold, {other.as(Tag::no_dep)}));
    vector.await_begin();
    CHECK_FALSE(worker.engine->end_running(waiting, Code::cancelled));
    CHECK(worker.engine->end_running(running, Code::cancelled));
    worker.await(running);
    CHECK(running->code == Code::cancelled);
    worker.await(waiting);
    CHECK(waiting->code == Code::ok);
    worker.engine->seal(stream);
}

TEST_CASE("a chip that may not be replaced is given up, and so are the tasks that only it could run, then and later") {
    EngineOptions options;
    options.max_restarts = 0;
    HoldingChips worker(2, std::move(options));
    const auto vector = worker.vector();
    const auto other = worker.vector();
    other.release();
    const TaskPtr lost = worker.submit_hold(vector);
    const TaskPtr behind = worker.submit_hold(other);
    vector.await_begin();
    ::kill(worker.engine->children()[0].pid, SIGKILL);
    worker.await(behind);
    CHECK(lost->code == Code::worker_lost);
    CHECK(behind->code == Code::given_up);
    CHECK(worker.engine->children()[0].state == ChildState::lost);
    const auto refused =
        worker.engine->submit(worker.run, EngineFixture::task(worker.holding, {other.as(Tag::inout)}), {});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::given_up);
    const auto elsewhere = worker.vector();
    elsewhere.release();
    worker.submit_hold(elsewhere, 1);
    worker.finish(worker.run);
}

TEST_CASE("memory that was allocated before a chip was replaced is mapped in the replacement, and so is later memory") {
    EngineFixture worker(1);
    const CallablePtr hold = worker.add(EngineFixture::hold());
    REQUIRE(worker.start().ok());
    const auto before = worker.vector();
    ::kill(worker.engine->children()[0].pid, SIGKILL);
    const auto large = worker.vector(1U << 18U);  // an arena of its own
    before.release();
    large.release();
    const auto run = worker.begin_run();
    const TaskPtr first = worker.submit(run, EngineFixture::task(hold, {before.as(Tag::inout)}));
    const TaskPtr second = worker.submit(run, EngineFixture::task(hold, {large.as(Tag::inout)}));
    worker.finish(run);
    CHECK((first->code == Code::ok || first->code == Code::worker_lost));  // it may have begun before the signal
    CHECK(second->code == Code::ok);
    CHECK(large.word(0) == 1);
}
