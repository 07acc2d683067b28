// Scheduler: groups, whose members begin together.
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

namespace {

std::vector<test::Wanted> on(const std::vector<std::int32_t>& places) {
    std::vector<test::Wanted> members;
    for (const std::int32_t place : places) {
        members.push_back({.on = place});
    }
    return members;
}

// Starts child 0 again, which must not execute its withdrawn member, and completes the member on child 1.
void end_as_cancelled(SchedulerFixture& parent, const RunPtr& run, const TaskPtr& group) {
    CHECK(group->members[0]->code == Code::cancelled);
    parent.start(0);
    CHECK(parent.claim(0) == nullptr);
    parent.complete(1);
    parent.drain();
    CHECK(group->code == Code::cancelled);
    CHECK(run->withdrawn == group);
    CHECK(run->failures.empty());
}

}  // namespace

TEST_CASE("a group begins on all of its children at once, and ends with its last member") {
    SchedulerFixture parent(3);
    const auto run = parent.begin_run();
    const TaskPtr group = parent.submit_group(run, on({0, 2}));
    CHECK(group->state == TaskState::dispatched);
    REQUIRE(parent.claim(0) == group->members[0]);
    REQUIRE(parent.claim(2) == group->members[1]);
    CHECK(parent.claim(1) == nullptr);
    parent.complete(2);
    parent.drain();
    CHECK(group->state == TaskState::dispatched);
    parent.complete(0);
    parent.drain();
    CHECK(group->code == Code::ok);
    CHECK(parent.scheduler.counts().accepted == 1);
    CHECK(parent.scheduler.counts().done == 1);
}

TEST_CASE("a group waits until all of its children are idle, and so do tasks that are submitted after it") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr before = parent.submit(run, {.on = 0});
    const TaskPtr group = parent.submit_group(run, on({0, 1}));
    const TaskPtr behind = parent.submit(run, {.on = 1});
    CHECK(group->state == TaskState::ready);
    CHECK(behind->state == TaskState::ready);
    CHECK(parent.claim(1) == nullptr);
    REQUIRE(parent.claim(0) == before);
    parent.complete(0);
    parent.drain();
    CHECK(group->state == TaskState::dispatched);
    CHECK(behind->state == TaskState::dispatched);
    CHECK(parent.work(1) == std::vector<TaskPtr>{group->members[1], behind});
    parent.work_all();
    CHECK(behind->code == Code::ok);
}

TEST_CASE("two groups that share children are in the same order everywhere, and neither waits for the other") {
    SchedulerFixture parent(3);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit_group(run, on({0, 1}));
    const TaskPtr second = parent.submit_group(run, on({1, 2}));
    const TaskPtr third = parent.submit_group(run, on({2, 0}));
    CHECK(first->state == TaskState::dispatched);
    CHECK(second->state == TaskState::ready);
    CHECK(third->state == TaskState::ready);
    parent.work_all();
    for (const TaskPtr& group : {first, second, third}) {
        CHECK(group->code == Code::ok);
    }
    CHECK(parent.begun[0]->id == 0);
    CHECK(parent.begun[5]->id == 2);
}

TEST_CASE("a group of members for any sub-worker takes as many idle ones, each its own") {
    SchedulerFixture parent(0, 3);
    const auto run = parent.begin_run();
    const TaskPtr busy = parent.submit(run);
    REQUIRE(parent.claim(busy->child) == busy);
    const TaskPtr group = parent.submit_group(run, on({kAnyChild, kAnyChild}));
    CHECK(group->state == TaskState::dispatched);
    CHECK(group->members[0]->child != busy->child);
    CHECK(group->members[1]->child != busy->child);
    CHECK(group->members[0]->child != group->members[1]->child);
    const TaskPtr larger = parent.submit_group(run, on({kAnyChild, kAnyChild, kAnyChild}));
    CHECK(larger->state == TaskState::ready);
    parent.complete(busy->child);
    parent.work_all();
    CHECK(larger->code == Code::ok);
}

TEST_CASE("while a group waits for sub-workers nothing younger is put into their lanes") {
    SchedulerFixture parent(0, 2);
    const auto run = parent.begin_run();
    const TaskPtr busy = parent.submit(run);
    REQUIRE(parent.claim(busy->child) == busy);
    const TaskPtr group = parent.submit_group(run, on({kAnyChild, kAnyChild}));
    const TaskPtr younger = parent.submit(run);
    const TaskPtr follower = parent.submit(run, {.after = {busy}});
    CHECK(younger->state == TaskState::ready);
    CHECK(follower->state == TaskState::blocked);
    parent.complete(busy->child);
    parent.drain();
    CHECK(group->state == TaskState::dispatched);
    parent.work_all();
    CHECK(younger->code == Code::ok);
    CHECK(follower->code == Code::ok);
}

TEST_CASE("a group larger than the sub-workers that are left is refused") {
    SchedulerFixture parent(0, 2);
    const auto run = parent.begin_run();
    CHECK(parent.try_submit(run, parent.make_group(on({kAnyChild, kAnyChild, kAnyChild}))).error().code ==
          Code::given_up);
    parent.lose_for_good(0);
    CHECK(parent.try_submit(run, parent.make_group(on({kAnyChild, kAnyChild}))).error().code == Code::given_up);
    CHECK(parent.try_submit(run, parent.make_group(on({kAnyChild}))).ok());
}

TEST_CASE(
    "members that write the same bytes are refused by their numbers, and those that read the same bytes are not") {
    SchedulerFixture parent(3);
    const auto run = parent.begin_run();
    const auto buffer = parent.allocate();
    const auto group_of = [&](Tag second, std::uint64_t from) {
        return parent.make_group({{.on = 0},
                                  {.on = 1, .tensors = {SchedulerFixture::use(buffer, Tag::output, 0, 8)}},
                                  {.on = 2, .tensors = {SchedulerFixture::use(buffer, second, from, 8)}}});
    };
    const auto refused = parent.try_submit(run, group_of(Tag::inout, 7));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::invalid_argument);
    CHECK(refused.error().message.find("members 1 and 2") != std::string::npos);
    CHECK(parent.try_submit(run, group_of(Tag::inout, 8)).ok());
    CHECK(parent.try_submit(run, group_of(Tag::no_dep, 7)).ok());
    CHECK(parent.try_submit(run, group_of(Tag::input, 7)).ok());
}

TEST_CASE("a group that fails ends as its first failed member did, and its followers name that member") {
    SchedulerFixture parent(3);
    const auto run = parent.begin_run();
    const TaskPtr group = parent.submit_group(run, on({0, 1, 2}));
    const TaskPtr follower = parent.submit(run, {.on = 0, .after = {group}});
    for (const std::int32_t place : {0, 1, 2}) {
        REQUIRE(parent.claim(place) != nullptr);
    }
    parent.fail(1);
    parent.drain();
    parent.complete(0);
    parent.fail(2);
    parent.drain();
    CHECK(group->code == Code::kernel_failed);
    CHECK(group->failed_member == group->members[1]);
    CHECK(run->failures == std::vector<TaskPtr>{group->members[1], group->members[2]});
    CHECK(follower->code == Code::skipped);
    CHECK(follower->root_cause == group->members[1]);
}

TEST_CASE("a member whose child dies is lost, and the other members of its group end normally") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr group = parent.submit_group(run, on({0, 1}));
    REQUIRE(parent.claim(0) != nullptr);
    REQUIRE(parent.claim(1) != nullptr);
    parent.die(0);
    CHECK(group->members[0]->code == Code::worker_lost);
    CHECK(group->state == TaskState::dispatched);
    parent.complete(1);
    parent.drain();
    CHECK(group->code == Code::worker_lost);
    CHECK(group->members[1]->code == Code::ok);
    CHECK(parent.scheduler.counts().lost == 1);
}

TEST_CASE("a member that has retries, or had not begun, begins again in its child's replacement alone") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr group = parent.submit_group(run, {{.on = 0, .retries = 1}, {.on = 1, .retries = 1}});
    REQUIRE(parent.claim(0) == group->members[0]);
    parent.die(0);
    parent.die(1);
    CHECK(group->members[0]->config.retries == 0);
    CHECK(group->members[1]->config.retries == 1);
    parent.start(0);
    parent.start(1);
    CHECK(parent.work_all() == group->members);
    CHECK(group->code == Code::ok);
}

TEST_CASE("a member that waits to begin again is withdrawn with its run") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr group = parent.submit_group(run, {{.on = 0, .retries = 1}, {.on = 1}});
    REQUIRE(parent.claim(0) == group->members[0]);
    REQUIRE(parent.claim(1) == group->members[1]);
    parent.die(0);
    REQUIRE(group->members[0]->state == TaskState::ready);
    parent.seal(run);
    parent.scheduler.cancel(*run);
    end_as_cancelled(parent, run, group);
    CHECK(run->finished());
}

TEST_CASE("a member that lies in the replacement's lane is withdrawn with its run") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr group = parent.submit_group(run, {{.on = 0, .retries = 1}, {.on = 1}});
    REQUIRE(parent.claim(0) == group->members[0]);
    parent.die(0);
    parent.start(0);
    REQUIRE(group->members[0]->state == TaskState::dispatched);
    parent.scheduler.cancel(*run);
    CHECK(group->members[0]->code == Code::cancelled);
    CHECK(parent.claim(0) == nullptr);
    // The other member never left its lane: the group has begun, and it runs.
    CHECK(parent.work_all() == std::vector<TaskPtr>{group->members[1]});
    CHECK(group->code == Code::cancelled);
}

TEST_CASE("a member of a cancelled run that its child had not begun does not begin in the replacement") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr group = parent.submit_group(run, on({0, 1}));
    REQUIRE(parent.claim(1) == group->members[1]);
    parent.scheduler.cancel(*run);
    REQUIRE(group->members[0]->state == TaskState::dispatched);
    parent.die(0);
    end_as_cancelled(parent, run, group);
}

TEST_CASE("a group that has not begun is given up as a whole with one of its children") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr before = parent.submit(run, {.on = 0});
    const TaskPtr group = parent.submit_group(run, on({0, 1}));
    const TaskPtr behind = parent.submit(run, {.on = 0});
    parent.lose_for_good(1);
    CHECK(group->code == Code::given_up);
    for (const TaskPtr& member : group->members) {
        CHECK(member->state == TaskState::ended);
        CHECK(member->args == nullptr);
    }
    CHECK(run->failures == std::vector<TaskPtr>{group});
    CHECK(parent.work_all() == std::vector<TaskPtr>{before, behind});
}

TEST_CASE("a group for sub-workers is given up once too few are left, and younger tasks begin") {
    SchedulerFixture parent(0, 2);
    const auto run = parent.begin_run();
    const TaskPtr busy = parent.submit(run);
    REQUIRE(parent.claim(busy->child) == busy);
    const TaskPtr group = parent.submit_group(run, on({kAnyChild, kAnyChild}));
    const TaskPtr younger = parent.submit(run);
    parent.lose_for_good(1 - busy->child);
    CHECK(group->code == Code::given_up);
    CHECK(younger->state == TaskState::dispatched);
    parent.complete(busy->child);
    parent.work_all();
    CHECK(younger->code == Code::ok);
}

TEST_CASE("a waiting group is cancelled as a whole, and a group that has begun is not") {
    SchedulerFixture parent(2);
    const auto first = parent.begin_run();
    const TaskPtr begun = parent.submit_group(first, on({0, 1}));
    const auto second = parent.begin_run();
    const TaskPtr waits = parent.submit_group(second, on({0, 1}));
    parent.cancel(second);
    CHECK(waits->code == Code::cancelled);
    CHECK(waits->members[0]->code == Code::cancelled);
    parent.cancel(first);
    CHECK(begun->state == TaskState::dispatched);
    parent.work_all();
    CHECK(begun->code == Code::ok);
}

TEST_CASE("a group follows earlier users of its members' tensors, and later users follow the group") {
    SchedulerFixture parent(3);
    const auto run = parent.begin_run();
    const auto buffer = parent.allocate();
    const TaskPtr writer = parent.submit(run, {.on = 2, .tensors = {SchedulerFixture::use(buffer, Tag::output)}});
    const TaskPtr group =
        parent.submit_group(run, {{.on = 0}, {.on = 1, .tensors = {SchedulerFixture::use(buffer, Tag::inout)}}});
    const TaskPtr reader = parent.submit(run, {.on = 2, .tensors = {SchedulerFixture::use(buffer, Tag::input)}});
    CHECK(group->state == TaskState::blocked);
    CHECK(reader->state == TaskState::blocked);
    const std::vector<TaskPtr> order = parent.work_all();
    CHECK(order.front() == writer);
    CHECK(order.back() == reader);
    CHECK(order.size() == 4);
}

TEST_CASE("a traced group is recorded as its members") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    parent.submit_group(run, {{.on = 0, .trace = 1}, {.on = 1, .trace = 1}});
    parent.work_all();
    REQUIRE(parent.scheduler.task_spans.size() == 2);
    CHECK(parent.scheduler.task_spans[0].child == 0);
    CHECK(parent.scheduler.task_spans[1].child == 1);
}
