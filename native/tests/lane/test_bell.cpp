#include <poll.h>

#include <atomic>
#include <thread>

#include "common/clock.h"
#include "tests/lane/lane_fixture.h"

using namespace callring;
using callring::test::LanePair;

namespace {
bool event_readable(const ParentBell& bell) {
    pollfd entry{bell.event_fd(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
}

void complete_one(const LanePair& lane) {
    lane.push();
    REQUIRE(lane.child->try_next() != nullptr);
    lane.child->complete(Code::ok, 0, 0, {});
}
}  // namespace

TEST_CASE("a completion makes no event while no thread has asked for one") {
    const LanePair lane;
    complete_one(lane);
    CHECK_FALSE(event_readable(*lane.bell));
}

TEST_CASE("the progress thread is asked for once per request, however many completions come") {
    const LanePair lane;
    lane.bell->arm_progress([] { return false; });
    complete_one(lane);
    CHECK(event_readable(*lane.bell));
    lane.bell->clear_event();
    complete_one(lane);
    CHECK_FALSE(event_readable(*lane.bell));
}

TEST_CASE("asking for the progress thread when something is ready makes the event at once") {
    const LanePair lane;
    lane.bell->arm_progress([] { return true; });
    CHECK(event_readable(*lane.bell));
}

TEST_CASE("a disarmed bell makes no event") {
    const LanePair lane;
    lane.bell->arm_progress([] { return false; });
    lane.bell->disarm();
    complete_one(lane);
    CHECK_FALSE(event_readable(*lane.bell));
}

TEST_CASE("a sleeper returns at its deadline") {
    const LanePair lane;
    CHECK(lane.bell->sleep([] { return false; }, now_ns() + 1'000'000) == FutexWait::timed_out);
}

TEST_CASE("ring wakes the thread that sleeps") {
    const LanePair lane;
    std::atomic<bool> stop{false};
    std::thread ringer([&] {
        while (!stop) {
            lane.bell->ring();
        }
    });
    CHECK(lane.bell->sleep([] { return false; }, std::nullopt) == FutexWait::woken);
    stop = true;
    ringer.join();
}
