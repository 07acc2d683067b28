// Child and Ledger: what the parent concludes from its records of a child.
#include <doctest/doctest.h>

#include <vector>

#include "children/child.h"
#include "tests/lane/lane_fixture.h"

using namespace callring;
using callring::test::LanePair;

namespace {

TaskPtr task_with(std::uint64_t sequence) {
    auto task = allocate_task();
    task->sequence = sequence;
    return task;
}

}  // namespace

TEST_CASE("only a ready child that is not being ended takes work, and a starting child will take it later") {
    Child child;
    for (const ChildState state : {ChildState::starting, ChildState::ready, ChildState::lost, ChildState::closed}) {
        CAPTURE(static_cast<int>(state));
        child.state = state;
        child.condemned.clear();
        CHECK(child.takes_work() == (state == ChildState::ready));
        CHECK(child.has_a_future() == (state == ChildState::ready || state == ChildState::starting));
        child.condemned = "it did not answer";
        CHECK_FALSE(child.takes_work());
    }
}

TEST_CASE("a child's name is its kind and the number that the user knows") {
    Child child;
    child.index = 7;
    child.id = 3;
    child.kind = ChildKind::chip;
    CHECK(child.name() == "chip 3");
    child.kind = ChildKind::sub;
    CHECK(child.name() == "sub-worker 3");
    child.kind = ChildKind::node;
    CHECK(child.name() == "node 3");
    child.kind = ChildKind::fork_server;
    CHECK(child.name() == "the fork server");
}

TEST_CASE("an idle child is expected to be done at once, and a busy one after each of its tasks") {
    Child child;
    CHECK(child.expected_ns(1000) == 0);
    child.busy_since_ns = 1000;
    child.task_ns = 50;
    const std::vector<TaskPtr> tasks{task_with(0), task_with(1), task_with(2)};
    for (const TaskPtr& task : tasks) {
        child.in_flight.push_back(task.get());
    }
    CHECK(child.expected_ns(1000) == 150);
    CHECK(child.expected_ns(1040) == 150);
    CHECK(child.expected_ns(1200) == 600);  // the tasks take longer than earlier ones
    CHECK(child.expected_ns(900) == 150);   // a time that another thread read earlier
}

TEST_CASE("a child none of whose tasks has ended yet is expected to take a long time, not no time") {
    Child child;
    const TaskPtr task = task_with(0);
    child.in_flight.push_back(task.get());
    child.busy_since_ns = 1000;
    CHECK(child.expected_ns(1000) > 100'000);
}

TEST_CASE("an incarnation has worked once it completed a task or claimed the first of its frames") {
    const LanePair lane;
    Child child;
    child.lane = std::move(ParentLane::create(8, 0)).value();
    auto end = std::move(ChildLane::attach(UniqueFd::copy_of(child.lane->fd()), UniqueFd::copy_of(lane.bell->fd()),
                                           UniqueFd::copy_of(lane.bell->event_fd())))
                   .value();
    CHECK_FALSE(child.has_worked());
    Frame& frame = child.lane->reserve();
    frame.config = {};
    const TaskPtr task = task_with(frame.sequence);
    child.in_flight.push_back(task.get());
    child.lane->publish();
    CHECK_FALSE(child.has_worked());
    REQUIRE(end->try_next() != nullptr);
    CHECK(child.has_worked());
    child.in_flight.clear();
    CHECK_FALSE(child.has_worked());
    child.completed = 5;
    child.completed_before = 5;  // by the previous incarnation
    CHECK_FALSE(child.has_worked());
    child.completed = 6;
    CHECK(child.has_worked());
}

TEST_CASE("a child without a process has no process id, and a signal to it has no effect") {
    const Child child;
    CHECK(child.pid() == -1);
    child.kill(9);
}

TEST_CASE("an installation counts as held until its removal is requested, and is empty when nothing is under way") {
    Installation entry;
    CHECK(entry.empty());
    CHECK_FALSE(entry.held());
    entry.installing = 1;
    CHECK_FALSE(entry.empty());
    CHECK_FALSE(entry.held());
    entry.installed = true;
    CHECK(entry.held());
    entry.removing = true;
    CHECK_FALSE(entry.held());
    CHECK_FALSE(entry.empty());
    entry.installed = false;
    entry.installing = 0;
    CHECK(entry.empty());
}

TEST_CASE("chip callables go to chips and nodes, Python callables to sub-workers and nodes") {
    for (const ChildKind runs_on : {ChildKind::chip, ChildKind::sub}) {
        CHECK(takes_callables_of(ChildKind::chip, runs_on) == (runs_on == ChildKind::chip));
        CHECK(takes_callables_of(ChildKind::sub, runs_on) == (runs_on == ChildKind::sub));
        CHECK(takes_callables_of(ChildKind::node, runs_on));
        CHECK_FALSE(takes_callables_of(ChildKind::fork_server, runs_on));
    }
}
