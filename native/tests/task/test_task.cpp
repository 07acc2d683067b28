// Task, Run and Callable: the rules of their data.
#include <doctest/doctest.h>

#include <vector>

#include "task/task.h"

using namespace callring;

TEST_CASE("a new task has no attempt and no outcome, and may run anywhere") {
    const TaskPtr task = allocate_task();
    CHECK(task->state == TaskState::blocked);
    CHECK(task->code == Code::ok);
    CHECK(task->ended_as == Code::ok);
    CHECK(task->placement == kAnyChild);
    CHECK(task->child == -1);
    CHECK(task->unmet == 0);
    CHECK(task->config.trace == kTraceAsWorker);
    CHECK(task->args == nullptr);
}

TEST_CASE("the memory of a destroyed task serves the next task, which begins as a new one") {
    for (int i = 0; i < 100; ++i) {
        const TaskPtr task = allocate_task();
        REQUIRE(task->successors.empty());
        REQUIRE(task->payload.empty());
        REQUIRE(task->unmet == 0);
        task->successors.push_back(allocate_task());
        task->payload = std::string(1000, 'x');
        task->unmet = 7;
        task->sequence = 9;
    }
}

TEST_CASE("a run is finished once it is sealed and all of its tasks, and all runs that it follows, have ended") {
    Run run;
    CHECK_FALSE(run.finished());
    run.sealed = true;
    CHECK(run.finished());
    run.accepted = 2;
    run.ended = 1;
    CHECK_FALSE(run.finished());
    run.ended = 2;
    CHECK(run.finished());
    run.waits_for = 1;
    CHECK_FALSE(run.finished());
    run.waits_for = 0;
    run.sealed = false;
    CHECK_FALSE(run.finished());
}

TEST_CASE("tasks of one block that name each other as the cause of their end are freed with their run") {
    std::weak_ptr<Task> watched;
    {
        Run run;
        run.launched = std::make_shared<std::vector<Task>>(2);
        const TaskPtr first(run.launched, run.launched->data());
        (*run.launched)[1].root_cause = first;
        watched = first;
    }
    CHECK(watched.expired());
}

TEST_CASE("a callable is removed for good once no registration is left, and needed until its last task has ended") {
    Callable callable;
    CHECK(callable.removing());
    CHECK_FALSE(callable.needed());
    callable.registrations = 1;
    CHECK_FALSE(callable.removing());
    CHECK(callable.needed());
    callable.registrations = 0;
    callable.in_flight = 1;
    CHECK(callable.removing());
    CHECK(callable.needed());
}
