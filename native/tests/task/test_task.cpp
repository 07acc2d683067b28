// Task, Run and Callable: the rules of their data.
#include <doctest/doctest.h>

#include <memory>
#include <thread>
#include <vector>

#include "task/run.h"

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
        task->successors.push_back(task.get());
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

TEST_CASE(
    "a task lives as long as one of its owners: its run, a caller, its group's node, or a task that it poisoned") {
    const auto callable = std::make_shared<Callable>();
    const auto make = [&callable] {
        TaskPtr task = allocate_task();
        task->callable = callable;
        return task;
    };
    Run run;
    TaskPtr group = make();
    group->members.push_back(make());
    group->members.front()->group = group.get();
    TaskPtr behind = make();
    behind->root_cause = TaskPtr(group->members.front().get());
    run.tasks.add(group);
    CHECK(callable.use_count() == 4);
    group = nullptr;
    CHECK(callable.use_count() == 4);
    run.tasks.remove(0);
    CHECK(callable.use_count() == 3);  // the poisoned task owns the member
    CHECK(behind->root_cause->callable == callable);
    behind = nullptr;
    CHECK(callable.use_count() == 1);
}

TEST_CASE("a task that was given to another thread is freed by the last owner, whichever thread that is in") {
    const auto callable = std::make_shared<Callable>();
    for (int round = 0; round < 200; ++round) {
        TaskPtr task = allocate_task();
        task->callable = callable;
        std::thread other([theirs = task]() mutable {
            const TaskPtr again(theirs.get());
            theirs.reset();
        });
        task.reset();
        other.join();
        REQUIRE(callable.use_count() == 1);
    }
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
