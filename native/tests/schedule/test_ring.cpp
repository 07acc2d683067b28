// Which completions a driver may sleep through, and when it has to be awake.
#include "common/tuning.h"
#include "scheduler_fixture.h"

namespace callring::test {

namespace {

constexpr std::int32_t kChip = 0;
constexpr std::int32_t kOther = 1;
constexpr std::uint64_t kMicrosecond = 1'000;

struct Sleepy {
    explicit Sleepy(std::uint32_t capacity = 1024) : fixture_(std::make_unique<SchedulerFixture>(2, 1, capacity)) {}

    SchedulerFixture* operator->() const { return fixture_.get(); }

    // Submits so many tasks for the first chip.
    std::vector<TaskPtr> submit_many(const RunPtr& run, std::size_t count) const {
        return fixture_->submit_many(run, count, {.on = kChip});
    }
    [[nodiscard]] std::size_t unheeded(std::int32_t index = kChip) const {
        return fixture_->scheduler.unheeded((*this)->child(index));
    }
    // The driver's frame if a task takes so long.
    [[nodiscard]] std::uint64_t ring_from(std::uint64_t task_ns) const {
        (*this)->child(kChip).task_ns = task_ns;
        return fixture_->scheduler.ring_from((*this)->child(kChip));
    }

private:
    std::unique_ptr<SchedulerFixture> fixture_;
};

}  // namespace

TEST_CASE("all tasks of a run but the last one in a lane may end without a driver") {
    const Sleepy fixture;
    const RunPtr run = fixture->begin_run();
    CHECK(fixture.unheeded() == 0);
    fixture.submit_many(run, 1);
    CHECK(fixture.unheeded() == 0);
    fixture.submit_many(run, 9);
    CHECK(fixture.unheeded() == 9);
}

TEST_CASE("the last task of each run in a lane matters") {
    const Sleepy fixture;
    const RunPtr first = fixture->begin_run();
    const RunPtr second = fixture->begin_run();
    fixture.submit_many(first, 3);
    fixture.submit_many(second, 3);
    CHECK(fixture.unheeded() == 2);
}

TEST_CASE("a task matters if one on another child waits for it, and not if one in its lane follows it") {
    const Sleepy fixture;
    const RunPtr run = fixture->begin_run();
    const auto tasks = fixture.submit_many(run, 9);
    const TaskPtr follower = fixture->submit(run, {.on = kChip, .after = {tasks[2]}});
    CHECK(fixture.unheeded() == 9);
    fixture->submit(run, {.on = kOther, .after = {tasks[5], tasks[7]}});
    CHECK(fixture.unheeded() == 5);
    fixture->submit(run, {.after = {tasks[3]}});  // for any sub-worker
    CHECK(fixture.unheeded() == 3);
}

TEST_CASE("tasks that a thread awaits, with deadlines, traced ones, members of groups and those of streams matter") {
    const Sleepy fixture;
    const RunPtr run = fixture->begin_run();
    const RunPtr stream = fixture->begin_run(true);
    const auto after_three = [&](const auto& submit) {
        fixture->work_all();
        fixture.submit_many(run, 3);
        submit();
        fixture.submit_many(run, 3);
        return fixture.unheeded();
    };
    CHECK(after_three([&] { fixture->submit(run, {.on = kChip, .awaited = true}); }) == 3);
    CHECK(after_three([&] { fixture->submit(run, {.on = kChip, .deadline_ns = 1'000'000'000}); }) == 3);
    CHECK(after_three([&] { fixture->submit(run, {.on = kChip, .trace = 1}); }) == 3);
    CHECK(after_three([&] { fixture->submit_group(run, {{.on = kChip}, {.on = kOther}}); }) <= 3);
    CHECK(after_three([&] { fixture->submit(stream, {.on = kChip}); }) == 2);
    fixture->work_all();
    fixture->submit(stream, {.on = kChip});
    fixture.submit_many(run, 3);
    CHECK(fixture.unheeded() == 0);
}

TEST_CASE("a lane for which tasks wait is fed before it is half empty") {
    const Sleepy fixture(8);
    fixture.submit_many(fixture->begin_run(), 9);
    CHECK(fixture.unheeded() == 4);
}

TEST_CASE("a driver sleeps through a limited number of completions") {
    const Sleepy fixture;
    fixture.submit_many(fixture->begin_run(), 1000);
    CHECK(fixture.unheeded() == tuning::kMostUnheeded);
}

TEST_CASE("a driver sleeps through completions of sub-workers while none of them idles") {
    constexpr std::int32_t kSub = 0;
    SchedulerFixture fixture(0, 2, 8);
    const Scheduler& scheduler = fixture.scheduler;
    const RunPtr run = fixture.begin_run();
    for (int i = 0; i < 5; ++i) {
        fixture.submit(run, {.on = kSub});
    }
    CHECK(scheduler.unheeded(fixture.child(kSub)) == 0);  // the other one may take some of them
    fixture.submit(run, {.on = 1 - kSub});
    CHECK(scheduler.unheeded(fixture.child(kSub)) == 4);
    CHECK(scheduler.unheeded(fixture.child(1 - kSub)) == 0);
}

TEST_CASE("sub-workers for which tasks wait are fed before their lanes are half empty") {
    SchedulerFixture fixture(0, 2, 8);
    const RunPtr run = fixture.begin_run();
    for (int i = 0; i < 17; ++i) {
        fixture.submit(run);
    }
    REQUIRE(fixture.scheduler.any_waits_for_subs());
    CHECK(fixture.scheduler.unheeded(fixture.child(0)) == 4);
    CHECK(fixture.scheduler.unheeded(fixture.child(1)) == 4);
}

TEST_CASE("a driver is awake early enough, and does not sleep for a shorter time than a wake-up takes") {
    const Sleepy fixture;
    fixture.submit_many(fixture->begin_run(), 101);
    REQUIRE(fixture.unheeded() == 100);
    CHECK(fixture.ring_from(0) == 0);                      // not measured
    CHECK(fixture.ring_from(kMicrosecond / 10) == 0);      // all of them take 10 us
    CHECK(fixture.ring_from(kMicrosecond) == 49);          // then 50 us are left
    CHECK(fixture.ring_from(10 * kMicrosecond) == 94);     // likewise
    CHECK(fixture.ring_from(1'000 * kMicrosecond) == 99);  // the last that does not matter
}

TEST_CASE("a driver does not sleep through the end of a child that is being replaced") {
    const Sleepy fixture;
    fixture.submit_many(fixture->begin_run(), 9);
    fixture->die(kChip);
    CHECK(fixture.unheeded() == 0);
    fixture->start(kChip);
    CHECK(fixture.unheeded() == 8);
}

}  // namespace callring::test
