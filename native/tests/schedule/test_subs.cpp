// Scheduler: which sub-worker takes a task that any may run, and which tasks move to idle sub-workers.
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

namespace {

std::size_t in_flight(SchedulerFixture& parent, std::int32_t index) {
    return parent.child(index).in_flight.size();
}

// Makes the scheduler expect that each task takes `ns`.
void let_tasks_take(SchedulerFixture& parent, std::uint64_t ns) {
    for (std::int32_t index = 0; index < static_cast<std::int32_t>(parent.woken.size()); ++index) {
        parent.child(index).task_ns = ns;
    }
}

constexpr std::uint64_t kLong = 50'000'000;  // worth a wake-up
constexpr std::uint64_t kShort = 100;        // not worth one

}  // namespace

TEST_CASE("tasks for any sub-worker go to the sub-worker that is expected to begin them first") {
    SchedulerFixture parent(0, 3);
    let_tasks_take(parent, kLong);
    const auto run = parent.begin_run();
    for (std::size_t i = 0; i < 6; ++i) {
        parent.submit(run);
    }
    for (const std::int32_t index : {0, 1, 2}) {
        CHECK(in_flight(parent, index) == 2);
    }
}

TEST_CASE("tasks that are shorter than a wake-up stay with a sub-worker that is awake") {
    SchedulerFixture parent(0, 2, 8);
    let_tasks_take(parent, kShort);
    parent.sleep(1);
    const auto run = parent.begin_run();
    for (int i = 0; i < 5; ++i) {
        parent.submit(run);
    }
    CHECK(in_flight(parent, 0) == 5);
    CHECK(parent.woken[1] == 0);
    CHECK(parent.scheduler.balance_at_ns() != 0);  // in case the tasks take longer
    CHECK(parent.deadlines.back() == parent.scheduler.balance_at_ns());
}

TEST_CASE("tasks that are worth a wake-up wake a sub-worker that sleeps") {
    SchedulerFixture parent(0, 2, 8);
    let_tasks_take(parent, kLong);
    parent.sleep(1);
    const auto run = parent.begin_run();
    parent.submit(run);
    parent.submit(run);
    CHECK(in_flight(parent, 0) == 1);
    CHECK(in_flight(parent, 1) == 1);
    CHECK(parent.woken[1] == 1);
}

TEST_CASE("waking a sub-worker has to be worth more where it must share a core") {
    for (const std::size_t cores : {std::size_t{1}, std::size_t{64}}) {
        CAPTURE(cores);
        SchedulerFixture parent(0, 2, 8, cores);
        let_tasks_take(parent, 100'000);  // between the costs of a wake-up on a free core and on a shared one
        parent.sleep(1);
        const auto run = parent.begin_run();
        parent.submit(run);
        parent.submit(run);
        CHECK(in_flight(parent, 1) == (cores == 1 ? 0 : 1));
    }
}

TEST_CASE("a full lane is passed over, and tasks wait in order when all lanes are full") {
    SchedulerFixture parent(0, 2, 2);
    const auto run = parent.begin_run();
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 7; ++i) {
        tasks.push_back(parent.submit(run));
    }
    CHECK(in_flight(parent, 0) == 2);
    CHECK(in_flight(parent, 1) == 2);
    CHECK(tasks[4]->state == TaskState::ready);
    parent.work(0);
    parent.drain();
    CHECK(tasks[4]->state == TaskState::dispatched);
    CHECK(tasks[5]->state == TaskState::dispatched);
    CHECK(tasks[6]->state == TaskState::ready);
    parent.work_all();
}

TEST_CASE("half of the tasks behind one that takes longer than expected move to an idle sub-worker") {
    SchedulerFixture parent(0, 2, 16);
    let_tasks_take(parent, kShort);
    parent.sleep(1);
    const auto run = parent.begin_run();
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 8; ++i) {
        tasks.push_back(parent.submit(run));
    }
    REQUIRE(parent.claim(0) == tasks[0]);
    parent.pass(kLong);
    parent.share_out();
    CHECK(in_flight(parent, 0) == 4);
    CHECK(in_flight(parent, 1) == 4);
    CHECK(parent.woken[1] > 0);
    CHECK(parent.work(1) == std::vector<TaskPtr>(tasks.begin() + 4, tasks.end()));
    parent.complete(0);
    parent.work_all();
    CHECK(parent.begun.size() == tasks.size());  // each task once
}

TEST_CASE("a sub-worker keeps tasks that have begun, and tasks that only it may run") {
    SchedulerFixture parent(0, 2, 16);
    let_tasks_take(parent, kShort);
    parent.sleep(1);
    const auto run = parent.begin_run();
    const TaskPtr running = parent.submit(run);
    REQUIRE(parent.claim(0) == running);
    const TaskPtr chained = parent.submit(run, {.after = {running}});
    CHECK(chained->child == 0);
    parent.pass(kLong);
    parent.share_out();
    CHECK(in_flight(parent, 0) == 2);
    CHECK(in_flight(parent, 1) == 0);
    parent.complete(0);
    parent.work_all();
}

TEST_CASE("a waiting chain moves whole, and is executed in order by the other sub-worker") {
    SchedulerFixture parent(0, 2, 16);
    let_tasks_take(parent, kShort);
    parent.sleep(1);
    const auto run = parent.begin_run();
    const TaskPtr running = parent.submit(run);
    REQUIRE(parent.claim(0) == running);
    std::vector<TaskPtr> chain{parent.submit(run)};
    for (int i = 0; i < 3; ++i) {
        chain.push_back(parent.submit(run, {.after = {chain.back()}}));
    }
    CHECK(in_flight(parent, 0) == 5);
    parent.pass(kLong);
    parent.share_out();
    CHECK(in_flight(parent, 1) == 4);
    CHECK(parent.work(1) == chain);
    parent.complete(0);
    parent.drain();
}

TEST_CASE("a sub-worker that becomes ready takes waiting tasks of the others") {
    SchedulerFixture parent(0, 2, 16);
    parent.die(1);
    const auto run = parent.begin_run();
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 8; ++i) {
        tasks.push_back(parent.submit(run));
    }
    REQUIRE(parent.claim(0) == tasks[0]);
    parent.pass(kLong);
    parent.start(1);
    CHECK(in_flight(parent, 1) == 4);
    parent.complete(0);
    parent.work_all();
    CHECK(parent.begun.size() == 8);
}

TEST_CASE("no check is requested while no sub-worker idles, or no sub-worker has waiting tasks") {
    SchedulerFixture parent(0, 2, 4);
    let_tasks_take(parent, kLong);
    const auto run = parent.begin_run();
    parent.submit(run);
    CHECK(parent.scheduler.balance_at_ns() == 0);
    parent.submit(run);
    parent.work(0);
    parent.drain();
    CHECK(parent.scheduler.balance_at_ns() == 0);
}

TEST_CASE(
    "two followers of one task do not both follow it into its lane: the second one waits, and goes to any free lane") {
    SchedulerFixture parent(0, 2, 8);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run);
    const TaskPtr follows = parent.submit(run, {.after = {first}});
    const TaskPtr waits = parent.submit(run, {.after = {first}});
    CHECK(follows->state == TaskState::dispatched);
    CHECK(waits->state == TaskState::blocked);
    REQUIRE(parent.claim(first->child) == first);
    parent.complete(first->child);
    parent.child(first->child).task_ns = kLong;
    parent.drain();
    CHECK(waits->state == TaskState::dispatched);
}
