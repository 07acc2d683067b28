// Scheduler: completions, and the tasks that they release.
#include <cstring>

#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

TEST_CASE("a completion ends its task with the child's outcome, and releases its arguments") {
    SchedulerFixture parent(0, 1);
    const auto run = parent.begin_run();
    const auto buffer = parent.allocate();
    const TaskPtr task = parent.submit(run, {.tensors = {SchedulerFixture::use(buffer, Tag::input)}});
    CHECK(buffer.use_count() > 1);
    REQUIRE(parent.claim(0) == task);
    parent.complete(0, "bvalue");
    CHECK(task->state == TaskState::dispatched);
    CHECK(parent.drain() == 1);
    CHECK(task->state == TaskState::ended);
    CHECK(task->payload == "bvalue");
    CHECK(task->args == nullptr);
    CHECK(buffer.use_count() == 1);
    CHECK(parent.child(0).completed == 1);
}

TEST_CASE("a run forgets tasks that ended well, and keeps failed tasks in the order of their failures") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    parent.submit(run, {.on = 0});
    const TaskPtr second = parent.submit(run, {.on = 1});
    const TaskPtr first = parent.submit(run, {.on = 0});
    REQUIRE(parent.claim(0) != nullptr);
    parent.complete(0);
    REQUIRE(parent.claim(0) == first);
    parent.fail(0);
    parent.drain();
    REQUIRE(parent.claim(1) == second);
    parent.fail(1);
    parent.drain();
    CHECK(run->tasks.find(0) == nullptr);
    CHECK(run->failures == std::vector<TaskPtr>{first, second});
    CHECK(decode_kernel_failure(first->payload)->kernel == "kernel");
    CHECK(parent.scheduler.counts().done == 1);
    CHECK(parent.scheduler.counts().failed == 2);
}

TEST_CASE("a run takes no memory for tasks that have succeeded, however many they are and though an older one runs") {
    SchedulerFixture parent(2, 0, 64);
    const auto run = parent.begin_run();
    const TaskPtr slow = parent.submit(run, {.on = 1});
    for (int round = 0; round < 500; ++round) {
        for (int i = 0; i < 64; ++i) {
            REQUIRE(parent.scheduler.submit(run, parent.make_task({.on = 0}), {}).ok());
        }
        parent.work(0);
        parent.begun.clear();
        REQUIRE(parent.scheduler.drain() == 64);
        REQUIRE(run->tasks.size() == 1);
        REQUIRE(run->tasks.pages() <= 2);
    }
    parent.work_all();
    CHECK(slow->code == Code::ok);
    CHECK(run->tasks.size() == 0);
}

TEST_CASE("all followers of a failed task are skipped with it as the cause, direct or not, in its lane or elsewhere") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr bad = parent.submit(run, {.on = 0});
    const TaskPtr in_lane = parent.submit(run, {.on = 0, .after = {bad}});
    const TaskPtr elsewhere = parent.submit(run, {.on = 1, .after = {bad}});
    const TaskPtr further = parent.submit(run, {.on = 1, .after = {elsewhere, in_lane}});
    const TaskPtr unrelated = parent.submit(run, {.on = 0});
    REQUIRE(parent.claim(0) == bad);
    parent.fail(0);
    CHECK(parent.work(0) == std::vector<TaskPtr>{unrelated});
    parent.drain();
    CHECK(parent.claim(1) == nullptr);
    for (const TaskPtr& task : {in_lane, elsewhere, further}) {
        CHECK(task->code == Code::skipped);
        CHECK(task->root_cause == bad);
    }
    CHECK(unrelated->code == Code::ok);
    CHECK(parent.scheduler.counts().skipped == 3);
    CHECK(run->failures == std::vector<TaskPtr>{bad});
    CHECK(run->skipped.size() == 3);
}

TEST_CASE("a chain of 100,000 dependents is skipped without deep recursion") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr bad = parent.make_task({.on = 0});
    REQUIRE(parent.scheduler.submit(run, bad, {}).ok());
    TaskPtr last = bad;
    for (int i = 0; i < 100'000; ++i) {
        const TaskPtr next = parent.make_task({.on = 1});
        REQUIRE(parent.scheduler.submit(run, next, {last}).ok());
        last = next;
    }
    REQUIRE(parent.claim(0) == bad);
    parent.fail(0);
    parent.drain();
    CHECK(last->code == Code::skipped);
    CHECK(last->root_cause == bad);
    CHECK(parent.scheduler.counts().skipped == 100'000);
}

TEST_CASE("the end of a task releases all tasks behind it, each to its own child") {
    SchedulerFixture parent(3, 0, 8);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0});
    std::vector<TaskPtr> fan;
    for (std::int32_t i = 0; i < 12; ++i) {
        fan.push_back(parent.submit(run, {.on = 1 + (i % 2), .after = {first}}));
        CHECK(fan.back()->state == TaskState::blocked);
    }
    parent.work(0);
    const auto woken_before = parent.woken;
    parent.drain();
    for (const TaskPtr& task : fan) {
        CHECK(task->state == TaskState::dispatched);
    }
    // One wake-up for each, when all of its frames are in the lane.
    CHECK(parent.woken[1] == woken_before[1] + 1);
    CHECK(parent.woken[2] == woken_before[2] + 1);
}

TEST_CASE("a callable is reported idle when its last accepted task has ended, and only then") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    parent.submit(run, {.on = 0});
    parent.submit(run, {.on = 0});
    REQUIRE(parent.claim(0) != nullptr);
    parent.complete(0);
    parent.drain();
    CHECK(parent.idle_callables == 0);
    CHECK(parent.callable->in_flight == 1);
    parent.work(0);
    parent.drain();
    CHECK(parent.idle_callables == 1);
}

TEST_CASE("a run is reported finished once: when it is sealed and its last task has ended, in either order") {
    SchedulerFixture parent(1);
    const auto first = parent.begin_run();
    parent.submit(first, {.on = 0});
    parent.seal(first);
    CHECK(parent.finished.empty());
    parent.work_all();
    CHECK(parent.finished == std::vector<std::uint64_t>{1});
    parent.seal(first);
    const auto second = parent.begin_run();
    parent.submit(second, {.on = 0});
    parent.work_all();
    CHECK(parent.finished.size() == 1);
    parent.seal(second);
    CHECK(parent.finished == std::vector<std::uint64_t>{1, 2});
    const auto empty = parent.begin_run();
    parent.seal(empty);
    CHECK(parent.finished == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("the last task of a run keeps it alive until it has ended, and no longer") {
    SchedulerFixture parent(1);
    auto run = parent.begin_run();
    parent.submit(run, {.on = 0});
    parent.seal(run);
    parent.runs.clear();
    const std::weak_ptr<Run> watched = std::exchange(run, nullptr);
    CHECK_FALSE(watched.expired());
    REQUIRE(parent.claim(0) != nullptr);
    parent.complete(0);
    CHECK(parent.scheduler.drain() == 1);
    CHECK(watched.expired());
}

TEST_CASE("an impossible completion of the frame that is due is a violation of the protocol, and ends no task") {
    using Change = void (*)(Completion&);
    constexpr std::array<Change, 7> kLies{
        [](Completion& said) { said.sequence += 1; },
        [](Completion& said) { said.code = kCodes; },
        [](Completion& said) { said.code = static_cast<std::uint32_t>(Code::worker_lost); },
        [](Completion& said) { said.flags = 4; },
        [](Completion& said) { said.payload_bytes = 4096; },
        [](Completion& said) { said.payload_bytes = 3; },  // zeros encode no value
        [](Completion& said) { said.code = static_cast<std::uint32_t>(Code::skipped); },
    };
    for (std::size_t i = 0; i < kLies.size(); ++i) {
        CAPTURE(i);
        SchedulerFixture parent(0, 1);
        const auto run = parent.begin_run();
        const TaskPtr task = parent.submit(run, {.retries = 1});
        REQUIRE(parent.claim(0) == task);
        parent.complete(0);
        auto* const written =
            reinterpret_cast<Completion*>(reinterpret_cast<std::byte*>(&parent.header(0)) + completions_offset(4));
        kLies.at(i)(*written);
        CHECK(parent.drain() == 0);
        CHECK(parent.violations.size() == 1);
        CHECK(task->state == TaskState::dispatched);
        CHECK(parent.child(0).lane_damaged);
        parent.die(0);
        CHECK(task->state == TaskState::ready);  // the task had begun, and has a retry
        CHECK(parent.scheduler.counts().begun_again == 1);
        parent.start(0);
        parent.work_all();
        CHECK(task->code == Code::ok);
    }
}

TEST_CASE("a completion while nothing is in flight is a violation of the protocol") {
    SchedulerFixture parent(1);
    parent.header(0).completions.tail.store(1);
    parent.drain();
    CHECK(parent.violations.size() == 1);
}

TEST_CASE("a completion ring with impossible indices is a violation of the protocol, and causes no endless loop") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    parent.submit(run, {.on = 0});
    parent.header(0).completions.tail.store(1000);
    parent.drain();
    CHECK(parent.violations.size() == 1);
}

TEST_CASE("the spans of a task's cores are taken with its completion, and spans at other times are a violation") {
    for (const bool honest : {true, false}) {
        CAPTURE(honest);
        SchedulerFixture parent(1);
        const auto run = parent.begin_run();
        const TaskPtr task = parent.submit(run, {.on = 0, .trace = 2});
        REQUIRE(parent.claim(0) == task);
        const std::uint64_t begin = parent.now_ns();
        parent.pass(100);
        parent.end(0).post_span({task->sequence, begin + 10, begin + 20, 3, 9});
        parent.end(0).post_span({task->sequence, begin + 10, begin + (honest ? 100 : 101), 4, 9});
        parent.end(0).complete(Code::ok, begin, begin + 100, {});
        parent.pass(100);
        CHECK(parent.drain() == (honest ? 1 : 0));
        CHECK(parent.violations.size() == (honest ? 0 : 1));
        if (honest) {
            REQUIRE(parent.scheduler.core_spans.size() == 2);
            CHECK(parent.scheduler.core_spans[0].span.core == 3);
            CHECK(parent.scheduler.core_spans[1].task == task->id);
        }
    }
}

TEST_CASE("a child's completions are counted, and its task time is estimated from how long it was busy") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    for (int i = 0; i < 2; ++i) {
        parent.submit(run, {.on = 0});
    }
    parent.work(0);
    parent.pass(2000);
    parent.drain();
    CHECK(parent.child(0).completed == 2);
    CHECK(parent.child(0).task_ns == 1000);
    parent.submit(run, {.on = 0});
    parent.work(0);
    parent.pass(5000);
    parent.drain();
    CHECK(parent.child(0).task_ns == 2000);  // three quarters of the old estimate, and a quarter of this time
}

TEST_CASE("a result that lies in the result area or in an extent arrives whole") {
    SchedulerFixture parent(0, 1);
    const auto run = parent.begin_run();
    const std::string value = "b" + std::string(5000, 'x');
    for (const bool in_extent : {false, true}) {
        CAPTURE(in_extent);
        const TaskPtr task = parent.submit(run);
        REQUIRE(parent.claim(0) == task);
        if (in_extent) {
            const auto record = parent.end(0).extents().write(std::as_bytes(std::span(value)));
            REQUIRE(record.ok());
            parent.end(0).complete(Code::ok, 0, 0, std::as_bytes(std::span(&*record, 1)), kPayloadInExtent);
        } else {
            std::byte* const room = parent.end(0).reserve_result(value.size());
            REQUIRE(room != nullptr);
            std::memcpy(room, value.data(), value.size());
            parent.end(0).complete_with_result(Code::ok, 0, 0, value.size());
        }
        CHECK(parent.drain() == 1);
        CHECK(task->payload == value);
        CHECK(task->extents == nullptr);
    }
}
