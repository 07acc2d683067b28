// Scheduler::contradiction() and starvation() must find changes that the tests make to the books by hand.
#include <algorithm>

#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

namespace {

// A scheduler with a task in each state (dispatched, ready for a child, ready for any, blocked), and a group.
struct Busy {
    Busy() : parent(2, 1, 2) {
        running = parent.submit(run, {.on = 0});
        follower = parent.submit(run, {.on = 0, .after = {running}});
        queued = parent.submit(run, {.on = 0});
        for (int i = 0; i < 2; ++i) {
            parent.submit(run);
        }
        anywhere = parent.submit(run);
        blocked = parent.submit(run, {.on = 1, .after = {running}});
        group = parent.submit_group(run, {{.on = 0}, {.on = 1}});
        CHECK(contradiction() == "");
        CHECK(queued->state == TaskState::ready);
        CHECK(anywhere->state == TaskState::ready);
        CHECK(blocked->state == TaskState::blocked);
        CHECK(group->state == TaskState::ready);
    }
    [[nodiscard]] std::string contradiction() const { return parent.scheduler.contradiction(parent.runs); }

    SchedulerFixture parent;
    RunPtr run = parent.begin_run();
    TaskPtr running;
    TaskPtr follower;
    TaskPtr queued;
    TaskPtr anywhere;
    TaskPtr blocked;
    TaskPtr group;
};

// Calls `look` while `value` is `other`.
template <class T, class Look>
void with(T& value, T other, const Look& look) {
    std::swap(value, other);
    look();
    std::swap(value, other);
}

}  // namespace

TEST_CASE("a task whose state does not fit its place is a contradiction") {
    Busy busy;
    const auto is_seen = [&] { CHECK(busy.contradiction() != ""); };
    for (const TaskPtr& task : {busy.running, busy.follower, busy.queued, busy.anywhere, busy.blocked}) {
        for (const TaskState state : {TaskState::blocked, TaskState::ready, TaskState::dispatched, TaskState::ended}) {
            if (state != task->state) {
                CAPTURE(static_cast<int>(task->state));
                CAPTURE(static_cast<int>(state));
                with(task->state, state, is_seen);
            }
        }
    }
    CHECK(busy.contradiction() == "");
}

TEST_CASE("a task in the lane or the queue of another child than its own is a contradiction") {
    Busy busy;
    const auto is_seen = [&] { CHECK(busy.contradiction() != ""); };
    with(busy.running->child, 1, is_seen);
    with(busy.queued->placement, 1, is_seen);
    with(busy.running->sequence, std::uint64_t{7}, is_seen);
    with(busy.follower->sequence, std::uint64_t{0}, is_seen);
}

TEST_CASE("a task that waits for more or fewer tasks than name it as a follower is a contradiction") {
    Busy busy;
    const auto is_seen = [&] { CHECK(busy.contradiction() != ""); };
    with(busy.blocked->unmet, 0U, is_seen);
    with(busy.blocked->unmet, 2U, is_seen);
    with(busy.follower->unmet, 0U, is_seen);
    with(busy.queued->unmet, 1U, is_seen);
    with(busy.running->successors, {}, is_seen);
}

TEST_CASE("a task in two places, or in none, is a contradiction") {
    Busy busy;
    const auto is_seen = [&] { CHECK(busy.contradiction() != ""); };
    auto& backlog = busy.parent.child(0).backlog;
    auto twice = backlog;
    twice.push_back(busy.queued.get());
    with(backlog, twice, is_seen);
    with(backlog, {}, is_seen);
    auto& in_flight = busy.parent.child(0).in_flight;
    with(in_flight, {}, is_seen);
    auto reversed = in_flight;
    std::reverse(reversed.begin(), reversed.end());
    with(in_flight, reversed, is_seen);
}

TEST_CASE("a run that miscounts its tasks, or holds some without reason, is a contradiction") {
    Busy busy;
    const auto is_seen = [&] { CHECK(busy.contradiction() != ""); };
    with(busy.run->accepted, busy.run->accepted + 1, is_seen);
    with(busy.run->ended, busy.run->ended + 1, is_seen);
    with(busy.run->held, {busy.blocked.get()}, is_seen);
    with(busy.run->self, RunPtr(), is_seen);
    with(busy.blocked->root_cause, busy.running, is_seen);  // the task waits, though it can only be skipped
}

TEST_CASE("a member in another place than its group is a contradiction") {
    Busy busy;
    const auto is_seen = [&] { CHECK(busy.contradiction() != ""); };
    with(busy.group->members[0]->state, TaskState::blocked, is_seen);
    with(busy.group->members[1]->placement, 0, is_seen);
}

TEST_CASE("a task that waits though its child has room is starved") {
    SchedulerFixture parent(1, 1, 2);
    const auto run = parent.begin_run();
    for (int i = 0; i < 3; ++i) {
        parent.submit(run, {.on = 0});
        parent.submit(run);
    }
    CHECK(parent.scheduler.starvation() == "");
    parent.work(0);
    CHECK(parent.scheduler.starvation() == "");  // the parent has not taken the completions
    const Child& chip = parent.child(0);
    while (chip.lane->has_completions() && chip.lane->front_completion() != nullptr) {
        chip.lane->pop_completion();
    }
    CHECK(parent.scheduler.starvation().find("room in the lane of chip 0") != std::string::npos);
    parent.work(1);
    while (parent.child(1).lane->front_completion() != nullptr) {
        parent.child(1).lane->pop_completion();
    }
    parent.child(0).backlog.swap(parent.child(1).backlog);
    CHECK(parent.scheduler.starvation() != "");
    parent.child(0).backlog.swap(parent.child(1).backlog);
}

TEST_CASE("a task that waits for a group in front of it is not starved") {
    SchedulerFixture parent(0, 2);
    const auto run = parent.begin_run();
    const TaskPtr busy = parent.submit(run);
    REQUIRE(parent.claim(busy->child) == busy);
    parent.submit_group(run, {{}, {}});
    parent.submit(run);
    CHECK(parent.scheduler.starvation() == "");
    parent.complete(busy->child);
    parent.work_all();
}
