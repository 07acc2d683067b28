// Movable: which frames of a sub-worker may go to another one.
#include <random>
#include <set>

#include "schedule/movable.h"
#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

namespace {

// A sub-worker with `frames` frames in flight; `follows(i)` are the earlier ones that frame i follows.
template <class Follows>
std::unique_ptr<Child> make_child(std::size_t frames, const Follows& follows) {
    auto child = std::make_unique<Child>();
    for (std::size_t i = 0; i < frames; ++i) {
        auto task = allocate_task();
        task->state = TaskState::dispatched;
        task->sequence = 100 + i;
        task->distances.fill(0);
        for (const std::size_t earlier : follows(i)) {
            task->distances.at(task->unmet++) = static_cast<std::uint32_t>(i - earlier);
        }
        child->in_flight.push_back(std::move(task));
    }
    return child;
}

std::vector<std::size_t> none(std::size_t /*frame*/) {
    return {};
}

}  // namespace

TEST_CASE("of frames that follow nothing, all but the first may go, and half of them do, the last ones") {
    CHECK_FALSE(Movable(*make_child(0, none)).any());
    CHECK_FALSE(Movable(*make_child(1, none)).any());
    const auto two = make_child(2, none);
    CHECK(Movable(*two).any());
    CHECK(Movable(*two).half() == std::vector<std::size_t>{1});
    const auto seven = make_child(7, none);
    CHECK(Movable(*seven).half() == std::vector<std::size_t>{4, 5, 6});
}

TEST_CASE("what follows the first frame stays with it, and so does all that follows that") {
    const auto child = make_child(
        4, [](std::size_t i) { return i == 0 ? std::vector<std::size_t>{} : std::vector<std::size_t>{i - 1}; });
    CHECK_FALSE(Movable(*child).any());
    CHECK(Movable(*child).half().empty());
}

TEST_CASE("a member of a group stays, and what is to be skipped in its lane does") {
    const auto child = make_child(3, none);
    child->in_flight[1]->group = allocate_task();
    child->in_flight[2]->root_cause = allocate_task();
    CHECK_FALSE(Movable(*child).any());
    child->in_flight[2]->root_cause = nullptr;
    CHECK(Movable(*child).half() == std::vector<std::size_t>{2});
}

TEST_CASE("what follows a frame that has ended follows nothing any more") {
    const auto child = make_child(3, none);
    child->in_flight[1]->unmet = 1;
    child->in_flight[1]->distances[0] = 50;  // long gone
    CHECK(Movable(*child).half() == std::vector<std::size_t>{2});
    child->in_flight.pop_back();
    CHECK(Movable(*child).half() == std::vector<std::size_t>{1});
    CHECK(Movable::followed_by(*child, *child->in_flight[1]).empty());
}

TEST_CASE("a long queue is looked at from its end, for so many frames as the window has") {
    const std::size_t frames = 3 * Movable::kWindow;
    const auto child = make_child(frames, none);
    const auto half = Movable(*child).half();
    CHECK(half.size() == Movable::kWindow);
    CHECK(half.front() == frames - Movable::kWindow);
    const auto chained = make_child(
        frames, [](std::size_t i) { return i == 0 ? std::vector<std::size_t>{} : std::vector<std::size_t>{i - 1}; });
    CHECK_FALSE(Movable(*chained).any());  // it relies on what lies before the window
}

TEST_CASE("whatever follows what: what goes is closed under following and being followed, and never the first frame") {
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        const std::size_t frames = random() % 100;
        std::vector<std::vector<std::size_t>> edges(frames);
        for (std::size_t i = 1; i < frames; ++i) {
            for (std::size_t count = random() % 3; count > 0 && random() % 2 == 0; --count) {
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
            std::set<TaskPtr> expected;
            for (const std::size_t earlier : edges[i]) {
                expected.insert(child->in_flight[earlier]);
            }
            CHECK(std::set<TaskPtr>(followed.begin(), followed.end()) == expected);
        }
    }
}
