// Scheduler: tasks whose child dies, and tasks whose child is given up.
#include <algorithm>
#include <random>

#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::codes_of;
using callring::test::SchedulerFixture;

TEST_CASE("a task that had begun is lost with its child, and a task that had not begins in the replacement") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr begun = parent.submit(run, {.on = 0});
    const TaskPtr waiting = parent.submit(run, {.on = 0});
    REQUIRE(parent.claim(0) == begun);
    parent.die(0);
    CHECK(begun->code == Code::worker_lost);
    REQUIRE(begun->child_end);
    CHECK(begun->child_end->status.signal == 9);
    CHECK_FALSE(begun->child_end->given_up);
    CHECK(waiting->state == TaskState::ready);
    CHECK(run->failures == std::vector<TaskPtr>{begun});
    parent.start(0);
    CHECK(parent.work_all() == std::vector<TaskPtr>{waiting});
    CHECK(parent.scheduler.counts().lost == 1);
}

TEST_CASE("a chain of three whose first task dies with its child ends as lost and twice skipped") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0});
    const TaskPtr second = parent.submit(run, {.on = 0, .after = {first}});
    const TaskPtr third = parent.submit(run, {.on = 0, .after = {second}});
    REQUIRE(parent.claim(0) == first);
    parent.die(0);
    CHECK(codes_of({first, second, third}) == std::vector<Code>{Code::worker_lost, Code::skipped, Code::skipped});
    CHECK(second->root_cause == first);
    CHECK(third->root_cause == first);
    CHECK(run->skipped.size() == 2);
    CHECK(parent.scheduler.pending() == 0);
}

TEST_CASE("a chain of three whose child dies before it claims any task begins again in order") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    std::vector<TaskPtr> chain{parent.submit(run, {.on = 0})};
    for (int i = 0; i < 2; ++i) {
        chain.push_back(parent.submit(run, {.on = 0, .after = {chain.back()}}));
    }
    parent.die(0);
    CHECK(chain[0]->state == TaskState::ready);
    CHECK(chain[1]->state == TaskState::blocked);
    parent.start(0);
    CHECK(parent.work_all() == chain);
}

TEST_CASE("a chain of three whose first task was completed before its child died goes on with the second") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0});
    const TaskPtr second = parent.submit(run, {.on = 0, .after = {first}});
    const TaskPtr third = parent.submit(run, {.on = 0, .after = {second}});
    REQUIRE(parent.claim(0) == first);
    parent.complete(0);
    parent.die(0);
    CHECK(first->code == Code::ok);
    parent.start(0);
    CHECK(parent.work_all() == std::vector<TaskPtr>{second, third});
    CHECK(codes_of({first, second, third}) == std::vector<Code>(3, Code::ok));
}

TEST_CASE("a chain of three whose first task failed before its child died is skipped, and nothing is lost") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0});
    const TaskPtr second = parent.submit(run, {.on = 0, .after = {first}});
    const TaskPtr third = parent.submit(run, {.on = 0, .after = {second}});
    REQUIRE(parent.claim(0) == first);
    parent.fail(0);
    parent.die(0);
    CHECK(codes_of({first, second, third}) == std::vector<Code>{Code::kernel_failed, Code::skipped, Code::skipped});
}

TEST_CASE("a task begins again as often as it has retries, and is lost after that") {
    for (std::uint32_t retries = 0; retries < 4; ++retries) {
        CAPTURE(retries);
        SchedulerFixture parent(1);
        const auto run = parent.begin_run();
        const TaskPtr task = parent.submit(run, {.on = 0, .retries = retries});
        std::uint32_t begun = 0;
        while (task->state != TaskState::ended) {
            REQUIRE(parent.claim(0) == task);
            ++begun;
            parent.die(0);
            parent.start(0);
        }
        CHECK(begun == retries + 1);
        CHECK(task->code == Code::worker_lost);
        CHECK(parent.scheduler.counts().begun_again == retries);
    }
}

TEST_CASE("a death that comes before a task begins costs it no retry") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr task = parent.submit(run, {.on = 0, .retries = 1});
    for (int i = 0; i < 5; ++i) {
        parent.die(0);
        parent.start(0);
    }
    CHECK(task->config.retries == 1);
    REQUIRE(parent.claim(0) == task);
    parent.die(0);
    parent.start(0);
    CHECK(parent.work_all() == std::vector<TaskPtr>{task});
}

TEST_CASE("followers of a task that begins again still follow it") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0, .retries = 1});
    const TaskPtr second = parent.submit(run, {.on = 0, .after = {first}});
    REQUIRE(parent.claim(0) == first);
    parent.die(0);
    CHECK(second->state == TaskState::blocked);
    parent.start(0);
    CHECK(parent.work_all() == std::vector<TaskPtr>{first, second});
}

TEST_CASE("tasks from the lane come before tasks that waited for it, each in the order of submission") {
    SchedulerFixture parent(1, 0, 2);
    const auto run = parent.begin_run();
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 6; ++i) {
        tasks.push_back(parent.submit(run, {.on = 0}));
    }
    parent.die(0);
    parent.start(0);
    CHECK(parent.work_all() == tasks);
}

TEST_CASE("tasks for any sub-worker move to another sub-worker when theirs dies") {
    SchedulerFixture parent(0, 2, 8);
    parent.die(1);
    const auto run = parent.begin_run();
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 4; ++i) {
        tasks.push_back(parent.submit(run));
        CHECK(tasks.back()->child == 0);
    }
    parent.start(1);
    parent.child(0).state = ChildState::starting;
    parent.scheduler.child_lost(parent.child(0), parent.end_of(0));
    parent.check();
    for (const TaskPtr& task : tasks) {
        CHECK(task->child == 1);
    }
    CHECK(parent.work(1).size() == tasks.size());
    parent.drain();
    CHECK(codes_of(tasks) == std::vector<Code>(tasks.size(), Code::ok));
}

TEST_CASE("a task that follows others on a child that is gone waits for them elsewhere, and runs after them") {
    SchedulerFixture parent(0, 2);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run);
    const TaskPtr second = parent.submit(run, {.after = {first}});
    CHECK(second->child == first->child);
    parent.die(first->child);
    CHECK(parent.work_all() == std::vector<TaskPtr>{first, second});
}

TEST_CASE("an overwritten frame counts as begun if it was the first in its lane, else as waiting") {
    SchedulerFixture parent(1);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0});
    const TaskPtr second = parent.submit(run, {.on = 0});
    auto* const frames = reinterpret_cast<std::byte*>(&parent.header(0)) + frames_offset();
    reinterpret_cast<Frame*>(frames)->sequence = 77;
    parent.die(0);
    CHECK(first->code == Code::worker_lost);
    CHECK((first->child_end && first->child_end->wrote_over_lane));
    CHECK(second->state == TaskState::ready);
}

TEST_CASE("whichever part of its lane's header a child overwrites, the death that follows ends exactly one task") {
    using Change = void (*)(LaneHeader&);
    constexpr std::array<Change, 7> kDamage{
        [](LaneHeader& lane) { lane.magic = 0; },
        [](LaneHeader& lane) { lane.layout_version = 1; },
        [](LaneHeader& lane) { lane.capacity = 1U << 20U; },
        [](LaneHeader& lane) { lane.total_bytes = 1; },
        [](LaneHeader& lane) { lane.frames.tail.store(99); },
        [](LaneHeader& lane) { lane.completions.head.store(99); },
        [](LaneHeader& lane) { lane.span_capacity = 7777; },
    };
    for (std::size_t i = 0; i < kDamage.size(); ++i) {
        CAPTURE(i);
        SchedulerFixture parent(1);
        const auto run = parent.begin_run();
        const TaskPtr first = parent.submit(run, {.on = 0});
        const TaskPtr second = parent.submit(run, {.on = 0});
        kDamage.at(i)(parent.header(0));
        parent.die(0);
        CHECK(first->code == Code::worker_lost);
        CHECK(second->state == TaskState::ready);
        parent.start(0);
        CHECK(parent.work_all() == std::vector<TaskPtr>{second});
    }
}

TEST_CASE("when a child is given up, the tasks that only it could run end, and so do their followers") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr mine = parent.submit(run, {.on = 0});
    const TaskPtr follower = parent.submit(run, {.on = 1, .after = {mine}});
    const TaskPtr unrelated = parent.submit(run, {.on = 1});
    parent.die(0);
    CHECK(mine->state == TaskState::ready);
    parent.lose_for_good(0);
    CHECK(mine->code == Code::given_up);
    REQUIRE(mine->child_end);
    CHECK(mine->child_end->given_up->count == 1);
    CHECK(follower->code == Code::skipped);
    CHECK(parent.work_all() == std::vector<TaskPtr>{unrelated});
}

TEST_CASE("tasks for any sub-worker are given up with the last sub-worker, and not before") {
    SchedulerFixture parent(0, 2, 2);
    const auto run = parent.begin_run();
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 8; ++i) {
        tasks.push_back(parent.submit(run));
    }
    parent.lose_for_good(0);
    CHECK(parent.scheduler.pending() == 8);
    parent.lose_for_good(1);
    CHECK(codes_of(tasks) == std::vector<Code>(8, Code::given_up));
    CHECK(parent.scheduler.counts().lost == 8);
}

TEST_CASE("an accepted task whose child is then given up ends as given up when it could begin") {
    SchedulerFixture parent(2);
    const auto run = parent.begin_run();
    const TaskPtr first = parent.submit(run, {.on = 0});
    const TaskPtr second = parent.submit(run, {.on = 1, .after = {first}});
    parent.lose_for_good(1);
    CHECK(second->state == TaskState::blocked);
    parent.work_all();
    CHECK(second->code == Code::given_up);
}

TEST_CASE("whenever a child dies, each of its tasks is executed to its end once, and begins once more for each retry") {
    for (std::uint32_t seed = 0; seed < 80; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        SchedulerFixture parent(1, 1, 4);
        const auto run = parent.begin_run();
        std::vector<TaskPtr> tasks;
        std::vector<bool> busy(2);
        for (int step = 0; step < 150; ++step) {
            const auto index = static_cast<std::int32_t>(random() % 2);
            switch (random() % 8) {
                case 0:
                case 1: {
                    std::vector<TaskPtr> after;
                    if (!tasks.empty() && random() % 2 == 0) {
                        after.push_back(tasks[random() % tasks.size()]);
                    }
                    tasks.push_back(parent.submit(run, {.on = random() % 2 == 0 ? 0 : kAnyChild,
                                                        .after = after,
                                                        .retries = static_cast<std::uint32_t>(random() % 3)}));
                    break;
                }
                case 2:
                    parent.drain();
                    break;
                case 3:
                    if (random() % 3 == 0) {
                        parent.die(index);
                        parent.start(index);
                        busy[static_cast<std::size_t>(index)] = false;
                    }
                    break;
                default:
                    if (busy[static_cast<std::size_t>(index)]) {
                        parent.complete(index);
                        busy[static_cast<std::size_t>(index)] = false;
                    } else {
                        busy[static_cast<std::size_t>(index)] = parent.claim(index) != nullptr;
                    }
            }
        }
        for (const std::int32_t index : {0, 1}) {
            if (busy[static_cast<std::size_t>(index)]) {
                parent.complete(index);
            }
        }
        parent.work_all();
        for (const TaskPtr& task : tasks) {
            REQUIRE(task->state == TaskState::ended);
            const auto begun = std::count(parent.begun.begin(), parent.begun.end(), task);
            if (task->code == Code::ok) {
                CHECK(begun >= 1);
                CHECK(begun <= 3);
            } else if (task->code == Code::skipped) {
                CHECK(begun == 0);
                CHECK(task->root_cause->code == Code::worker_lost);
            } else {
                CHECK(task->code == Code::worker_lost);
                CHECK(task->config.retries == 0);
            }
        }
        std::uint64_t deaths = parent.scheduler.counts().begun_again;
        deaths += parent.scheduler.counts().lost + parent.scheduler.counts().done;
        CHECK(deaths == parent.begun.size());
    }
}
