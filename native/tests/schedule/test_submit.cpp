// Scheduler: accepted and refused tasks, and the tasks that a new one must follow.
#include <algorithm>
#include <random>

#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

TEST_CASE("a task for one child is put into its lane at once, and the child is woken") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 1});
    CHECK(task->state == TaskState::dispatched);
    CHECK(task->child == 1);
    CHECK(parent.woken == std::vector<std::size_t>{0, 1});
    CHECK(parent.claim(0) == nullptr);
    CHECK(parent.claim(1) == task);
    parent.complete(1);
    CHECK(parent.drain() == 1);
    CHECK(task->code == Code::ok);
}

TEST_CASE("a frame carries the run, the callable and the configuration of its task") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    TaskPtr task = parent.make_task({.on = 0, .deadline_ns = 1'000'000'000'000});
    task->config.block_count = 7;
    REQUIRE(parent.try_submit(run, task).ok());
    const Frame* const frame = parent.end(0).try_next();
    REQUIRE(frame != nullptr);
    CHECK(frame->run == run->id);
    CHECK(frame->digest == parent.callable->spec.digest);
    CHECK(frame->config.block_count == 7);
    CHECK(frame->config.flags == kFrameTimed);
    CHECK(frame->config.predecessors == std::array<std::uint32_t, kMaxDistances>{});
    parent.complete(0);
}

TEST_CASE("a frame has the tracing flags that its task asked for") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    for (const std::uint32_t trace : {0U, 1U, 2U}) {
        CAPTURE(trace);
        parent.submit(run, {.on = 0, .trace = trace});
        const Frame* const frame = parent.end(0).try_next();
        REQUIRE(frame != nullptr);
        CHECK(((frame->config.flags & kFrameTraced) != 0) == (trace >= 1));
        CHECK(((frame->config.flags & kFrameCores) != 0) == (trace >= 2));
        parent.complete(0);
        parent.drain();
    }
}

TEST_CASE(
    "tasks that do not fit into a lane wait in the child's queue, and move to the lane in order as it gets room") {
    SchedulerFixture parent(1, 0, 2);
    const auto run = parent.begin_run();
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 7; ++i) {
        tasks.push_back(parent.submit(run, {.on = 0}));
    }
    CHECK(tasks[1]->state == TaskState::dispatched);
    CHECK(tasks[2]->state == TaskState::ready);
    CHECK(parent.child(0).backlog.size() == 5);
    CHECK(parent.scheduler.needs_progress());
    CHECK(parent.work_all() == tasks);
    CHECK_FALSE(parent.scheduler.needs_progress());
}

TEST_CASE("a task for a child that was given up is refused, and not counted") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    parent.lose_for_good(1);
    const auto refused = parent.try_submit(run, parent.make_task({.on = 1}));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::given_up);
    REQUIRE(refused.error().child_end);
    CHECK(refused.error().child_end->child == "chip 1");
    CHECK(run->accepted == 0);
    CHECK(parent.scheduler.counts().accepted == 0);
    CHECK(parent.callable->in_flight == 0);
    CHECK(parent.try_submit(run, parent.make_task({.on = 0})).ok());
}

TEST_CASE("a task for a child that is being replaced is accepted, and waits for the replacement") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    parent.die(0);
    const TaskPtr task = parent.submit(run, {.on = 0});
    CHECK(task->state == TaskState::ready);
    parent.start(0);
    CHECK(task->state == TaskState::dispatched);
}

TEST_CASE("a task for any sub-worker is refused once all sub-workers are given up, and not before") {
    SchedulerFixture parent(1, 2);
    const auto run = parent.begin_run();
    parent.lose_for_good(1);
    CHECK(parent.try_submit(run, parent.make_task({})).ok());
    parent.lose_for_good(2);
    const auto refused = parent.try_submit(run, parent.make_task({}));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::given_up);
}

TEST_CASE("a tensor whose scope has ended is refused, in a member of a group, too") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const auto buffer = parent.allocate();
    const auto argument = SchedulerFixture::use(buffer, Tag::input);
    buffer->retire();
    const auto refused = parent.try_submit(run, parent.make_task({.on = 0, .tensors = {argument}}));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::invalid_argument);
    const TaskPtr group = parent.make_group({{.on = 0}, {.on = 1, .tensors = {argument}}});
    CHECK(parent.try_submit(run, group).error().code == Code::invalid_argument);
    CHECK(run->accepted == 0);
}

TEST_CASE("tasks on different children follow each other exactly if one writes bytes that the other uses") {
    struct Pair {
        Tag first;
        Tag second;
        bool follows;
    };
    constexpr std::array kPairs{
        Pair{Tag::output, Tag::input, true},          Pair{Tag::input, Tag::output, true},
        Pair{Tag::output, Tag::output, true},         Pair{Tag::inout, Tag::inout, true},
        Pair{Tag::input, Tag::inout, true},           Pair{Tag::output_existing, Tag::input, true},
        Pair{Tag::input, Tag::output_existing, true}, Pair{Tag::input, Tag::input, false},
        Pair{Tag::no_dep, Tag::output, false},        Pair{Tag::output, Tag::no_dep, false}};
    for (const Pair& pair : kPairs) {
        CAPTURE(static_cast<int>(pair.first));
        CAPTURE(static_cast<int>(pair.second));
        SchedulerFixture parent(2);
        const auto run = parent.begin_run();
        const auto buffer = parent.allocate();
        parent.submit(run, {.on = 0, .tensors = {SchedulerFixture::use(buffer, pair.first)}});
        const TaskPtr second = parent.submit(run, {.on = 1, .tensors = {SchedulerFixture::use(buffer, pair.second)}});
        CHECK((second->state == TaskState::blocked) == pair.follows);
        const TaskPtr apart =
            parent.submit(run, {.on = 1, .tensors = {SchedulerFixture::use(parent.allocate(), pair.second)}});
        CHECK(apart->state == TaskState::dispatched);
        parent.work(0);
        parent.drain();
        CHECK(second->state == TaskState::dispatched);
    }
}

TEST_CASE("tasks that use different bytes of one buffer do not follow each other, and those that share one byte do") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const auto buffer = parent.allocate();
    const auto use = [&](std::uint64_t from, std::uint64_t count) {
        return std::vector{SchedulerFixture::use(buffer, Tag::inout, from, count)};
    };
    parent.submit(run, {.on = 0, .tensors = use(0, 8)});
    CHECK(parent.submit(run, {.on = 1, .tensors = use(8, 8)})->state == TaskState::dispatched);
    CHECK(parent.submit(run, {.on = 1, .tensors = use(7, 1)})->state == TaskState::blocked);
}

TEST_CASE("tasks of different runs never follow each other for their tensors") {
    SchedulerFixture parent(2);
    const auto buffer = parent.allocate();
    const std::vector tensors{SchedulerFixture::use(buffer, Tag::inout)};
    parent.submit(parent.begin_run(), {.on = 0, .tensors = tensors});
    CHECK(parent.submit(parent.begin_run(), {.on = 1, .tensors = tensors})->state == TaskState::dispatched);
}

TEST_CASE("a task that follows one frame in a lane is put behind it at once, with the distance to it") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0});
    parent.submit(run, {.on = 0});
    const TaskPtr last = parent.submit(run, {.on = 0, .after = {first}});
    CHECK(last->state == TaskState::dispatched);
    CHECK(last->unmet == 1);
    for (int i = 0; i < 2; ++i) {
        REQUIRE(parent.claim(0) != nullptr);
        parent.complete(0);
    }
    const Frame* const frame = parent.end(0).try_next();
    REQUIRE(frame != nullptr);
    CHECK(frame->config.predecessors == std::array<std::uint32_t, kMaxDistances>{2, 0, 0, 0});
    parent.complete(0);
    CHECK(parent.drain() == 3);
    CHECK(last->unmet == 0);
}

TEST_CASE("a task follows any of the last 128 frames in a lane, and up to four of older ones") {
    for (const std::size_t count : {1, 4, 5, 31, 32, 33, 127, 128, 129}) {
        for (const std::size_t between : {0, 1, 100}) {
            CAPTURE(count);
            CAPTURE(between);
            SchedulerFixture parent(1, 0, 256);
            const auto run = parent.begin_run();
            const auto earlier = parent.submit_many(run, count, {.on = 0});
            parent.submit_many(run, between, {.on = 0});
            const TaskPtr last = parent.submit(run, {.on = 0, .after = earlier});
            const bool follows = count <= 4 || count + between <= 128;
            CHECK(last->state == (follows ? TaskState::dispatched : TaskState::blocked));
            CHECK(parent.work_all().size() == count + between + 1);
            CHECK(last->code == Code::ok);
        }
    }
}

TEST_CASE("a task that follows many others in a lane is skipped if one of them fails, and only then") {
    for (const std::size_t count : {5, 32, 100}) {
        for (std::size_t failed = 0; failed <= count; ++failed) {
            CAPTURE(count);
            CAPTURE(failed);
            SchedulerFixture parent(1, 0, 256);
            const auto run = parent.begin_run();
            std::vector<TaskPtr> earlier;
            for (std::size_t i = 0; i <= count; ++i) {
                const TaskPtr task = parent.submit(run, {.on = 0});
                if (i != count / 2) {  // the last task does not depend on this one
                    earlier.push_back(task);
                }
            }
            const TaskPtr last = parent.submit(run, {.on = 0, .after = earlier});
            REQUIRE(last->state == TaskState::dispatched);
            for (std::size_t i = 0; i <= count; ++i) {
                REQUIRE(parent.claim(0) != nullptr);
                if (i == failed) {
                    parent.fail(0);
                } else {
                    parent.complete(0);
                }
            }
            const bool executes = failed == count / 2;
            CHECK((parent.claim(0) != nullptr) == executes);
            if (executes) {
                parent.complete(0);
            }
            parent.drain();
            CHECK(last->code == (executes ? Code::ok : Code::skipped));
        }
    }
}

TEST_CASE("a task that queues behind many others follows them once there is room") {
    for (const std::size_t count : {6, 100, 128}) {
        CAPTURE(count);
        SchedulerFixture parent(1, 0, 8);
        const auto run = parent.begin_run();
        const auto earlier = parent.submit_many(run, count, {.on = 0});
        const TaskPtr last = parent.submit(run, {.on = 0, .after = earlier});
        CHECK(last->state == (count < 8 ? TaskState::dispatched : TaskState::ready));
        CHECK(parent.work_all().size() == count + 1);
        CHECK(last->code == Code::ok);
    }
}

TEST_CASE("a task that queues waits for many others if they are too far away once there is room for it") {
    for (const std::size_t between : {100, 200}) {
        CAPTURE(between);
        SchedulerFixture parent(1, 0, 256);
        const auto run = parent.begin_run();
        parent.submit_many(run, 250, {.on = 0});
        const auto earlier = parent.submit_many(run, 6, {.on = 0});
        parent.submit_many(run, between, {.on = 0});  // these queue in front of it
        const TaskPtr last = parent.submit(run, {.on = 0, .after = earlier});
        REQUIRE(last->state == TaskState::ready);
        for (int i = 0; i < 250; ++i) {
            REQUIRE(parent.claim(0) != nullptr);
            parent.complete(0);
        }
        parent.drain();
        CHECK(last->state == (between == 100 ? TaskState::dispatched : TaskState::blocked));
        CHECK(parent.work_all().size() == 6 + between + 1);
        CHECK(last->code == Code::ok);
    }
}

TEST_CASE("a task behind tasks on two children waits until both have ended") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr one = parent.submit(run, {.on = 0});
    const TaskPtr other = parent.submit(run, {.on = 1});
    const TaskPtr last = parent.submit(run, {.on = 0, .after = {one, other}});
    CHECK(last->state == TaskState::blocked);
    parent.work(0);
    parent.drain();
    CHECK(last->state == TaskState::blocked);
    parent.work(1);
    parent.drain();
    CHECK(last->state == TaskState::dispatched);
}

TEST_CASE("a task named twice, and followed for its tensor as well, is followed once") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const auto buffer = parent.allocate();
    const TaskPtr first = parent.submit(run, {.on = 0, .tensors = {SchedulerFixture::use(buffer, Tag::output)}});
    const TaskPtr second =
        parent.submit(run, {.on = 1, .after = {first, first}, .tensors = {SchedulerFixture::use(buffer, Tag::inout)}});
    CHECK(second->unmet == 1);
    CHECK(first->successors.size() == 1);
}

TEST_CASE("a task behind one that ended well begins at once, and a task behind a failed one is skipped") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr good = parent.submit(run, {.on = 0});
    const TaskPtr bad = parent.submit(run, {.on = 0});
    REQUIRE(parent.claim(0) == good);
    parent.complete(0);
    REQUIRE(parent.claim(0) == bad);
    parent.fail(0);
    parent.drain();
    CHECK(parent.submit(run, {.on = 0, .after = {good}})->state == TaskState::dispatched);
    const TaskPtr behind = parent.submit(run, {.on = 0, .after = {good, bad}});
    CHECK(behind->code == Code::skipped);
    CHECK(behind->root_cause == bad);
    const TaskPtr further = parent.submit(run, {.on = 0, .after = {behind}});
    CHECK(further->code == Code::skipped);
    CHECK(further->root_cause == bad);
    CHECK(run->skipped == std::vector<TaskPtr>{behind, further});
}

TEST_CASE("a reader of a tensor whose writer failed is skipped, also long after it failed") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const auto buffer = parent.allocate();
    const TaskPtr writer = parent.submit(run, {.on = 0, .tensors = {SchedulerFixture::use(buffer, Tag::output)}});
    REQUIRE(parent.claim(0) == writer);
    parent.fail(0);
    parent.drain();
    for (int i = 0; i < 1000; ++i) {  // enough tasks for the scheduler to forget what it may
        parent.submit(run, {.on = 0, .tensors = {SchedulerFixture::use(parent.allocate(), Tag::inout)}});
        parent.work(0);
        parent.drain();
    }
    const TaskPtr reader = parent.submit(run, {.on = 0, .tensors = {SchedulerFixture::use(buffer, Tag::input)}});
    CHECK(reader->code == Code::skipped);
    CHECK(reader->root_cause == writer);
}

TEST_CASE("a traced task records the tasks that it waited for, and the times of its states") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0, .trace = 1});
    parent.submit(run, {.on = 0, .after = {first}, .trace = 1});
    for (int i = 0; i < 2; ++i) {
        REQUIRE(parent.claim(0) != nullptr);
        parent.pass(10);
        parent.complete(0);
    }
    parent.pass(5);
    parent.drain();
    REQUIRE(parent.scheduler.task_spans.size() == 2);
    const TaskSpan& span = parent.scheduler.task_spans.back();
    CHECK(span.run == run->id);
    CHECK(span.task == 1);
    CHECK(span.child == 0);
    CHECK(span.times.waited_for == std::vector<std::uint64_t>{0});
    CHECK(span.times.dispatch_ns == span.times.submit_ns);
    CHECK(span.times.end_ns == span.times.submit_ns + 20);
    CHECK(span.times.complete_ns == span.times.end_ns + 5);
}

TEST_CASE("for random graphs, children and paces: a task begins after all tasks that it follows") {
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        const auto below = [&random](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
        SchedulerFixture parent(2, 2, 4);
        const auto run = parent.begin_run();
        std::vector<TaskPtr> tasks;
        std::vector<std::vector<TaskPtr>> after;
        for (int step = 0; step < 120; ++step) {
            if (below(2) == 0) {
                std::vector<TaskPtr> some;
                for (std::size_t i = tasks.empty() ? 0 : below(4); i > 0; --i) {
                    some.push_back(tasks[tasks.size() - 1 - below(std::min<std::size_t>(tasks.size(), 6))]);
                }
                const std::size_t place = below(3);
                after.push_back(some);
                tasks.push_back(parent.submit(
                    run, {.on = place == 2 ? kAnyChild : static_cast<std::int32_t>(place), .after = some}));
            } else if (below(3) == 0) {
                parent.drain();
            } else if (const auto index = static_cast<std::int32_t>(below(4)); parent.claim(index) != nullptr) {
                parent.complete(index);
            }
        }
        parent.work_all();
        const auto place_of = [&](const TaskPtr& task) {
            return std::find(parent.begun.begin(), parent.begun.end(), task) - parent.begun.begin();
        };
        CHECK(parent.begun.size() == tasks.size());
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            for (const TaskPtr& earlier : after[i]) {
                CHECK(place_of(earlier) < place_of(tasks[i]));
            }
        }
    }
}
