// Movable: which frames of a sub-worker may move to another sub-worker.
#include <random>
#include <set>

#include "common/tuning.h"
#include "schedule/movable.h"
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

namespace {

struct WithTasks : Child {
    std::vector<TaskPtr> tasks;  // of the frames in flight
};

// A sub-worker with `frames` frames in flight; `follows(i)` are the earlier ones that frame i follows.
template <class Follows>
std::unique_ptr<WithTasks> make_child(std::size_t frames, const Follows& follows) {
    auto child = std::make_unique<WithTasks>();
    for (std::size_t i = 0; i < frames; ++i) {
        auto task = allocate_task();
        task->state = TaskState::dispatched;
        task->sequence = 100 + i;
        const std::vector<std::size_t> earlier = follows(i);
        task->unmet = static_cast<std::uint32_t>(earlier.size());
        task->in_lane.name(earlier.size(), [&](std::size_t k) { return i - earlier[k]; });
        child->in_flight.push_back(task.get());
        child->tasks.push_back(std::move(task));
    }
    return child;
}

std::vector<std::size_t> none(std::size_t /*frame*/) {
    return {};
}

}  // namespace

TEST_CASE("of frames that follow none, all but the first may move, and the last half of them does") {
    CHECK_FALSE(Movable(*make_child(0, none)).any());
    CHECK_FALSE(Movable(*make_child(1, none)).any());
    const auto two = make_child(2, none);
    CHECK(Movable(*two).any());
    CHECK(Movable(*two).half() == std::vector<std::size_t>{1});
    const auto seven = make_child(7, none);
    CHECK(Movable(*seven).half() == std::vector<std::size_t>{4, 5, 6});
}

TEST_CASE("the first frame's followers stay with it, direct or not") {
    const auto child = make_child(
        4, [](std::size_t i) { return i == 0 ? std::vector<std::size_t>{} : std::vector<std::size_t>{i - 1}; });
    CHECK_FALSE(Movable(*child).any());
    CHECK(Movable(*child).half().empty());
}

TEST_CASE("a member of a group stays, and so does a task that is to be skipped in its lane") {
    const auto child = make_child(3, none);
    const TaskPtr group = allocate_task();
    child->in_flight[1]->group = group.get();
    child->in_flight[2]->root_cause = allocate_task();
    CHECK_FALSE(Movable(*child).any());
    child->in_flight[2]->root_cause = nullptr;
    CHECK(Movable(*child).half() == std::vector<std::size_t>{2});
}

TEST_CASE("a follower of an ended frame follows no frame any more") {
    const auto child = make_child(3, none);
    child->in_flight[1]->unmet = 1;
    child->in_flight[1]->in_lane.words[0] = 50;  // a frame that ended long ago
    CHECK(Movable(*child).half() == std::vector<std::size_t>{2});
    child->in_flight.pop_back();
    CHECK(Movable(*child).half() == std::vector<std::size_t>{1});
    CHECK(Movable::followed_by(*child, *child->in_flight[1]).empty());
}

TEST_CASE("a long queue is searched from its end, and only as far as the window reaches") {
    const std::size_t frames = 3 * tuning::kMovableWindow;
    const auto child = make_child(frames, none);
    const auto half = Movable(*child).half();
    CHECK(half.size() == tuning::kMovableWindow);
    CHECK(half.front() == frames - tuning::kMovableWindow);
    const auto chained = make_child(
        frames, [](std::size_t i) { return i == 0 ? std::vector<std::size_t>{} : std::vector<std::size_t>{i - 1}; });
    CHECK_FALSE(Movable(*chained).any());  // the frames follow some that lie before the window
}

TEST_CASE("for random dependencies: moved frames move with all that they follow and all followers, the first never") {
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        const std::size_t frames = random() % 100;
        std::vector<std::vector<std::size_t>> edges(frames);
        for (std::size_t i = 1; i < frames; ++i) {
            for (std::size_t count = random() % (seed % 2 == 0 ? 3 : 9); count > 0 && random() % 2 == 0; --count) {
                edges[i].push_back(i - 1 - (random() % std::min<std::size_t>(i, 8)));
            }
        }
        const auto child = make_child(frames, [&](std::size_t i) { return edges[i]; });
        const Movable movable(*child);
        const auto half = movable.half();
        const std::set<std::size_t> going(half.begin(), half.end());
        CHECK(std::is_sorted(half.begin(), half.end()));
        CHECK(going.size() == half.size());
        CHECK_FALSE(going.contains(0));
        CHECK((movable.any() && frames > 1) == !half.empty());
        for (std::size_t i = 0; i < frames; ++i) {
            for (const std::size_t earlier : edges[i]) {
                CHECK(going.contains(i) == going.contains(earlier));
            }
            const auto followed = Movable::followed_by(*child, *child->in_flight[i]);
            std::set<Task*> expected;
            for (const std::size_t earlier : edges[i]) {
                expected.insert(child->in_flight[earlier]);
            }
            CHECK(std::set<Task*>(followed.begin(), followed.end()) == expected);
        }
    }
}
