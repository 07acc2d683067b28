#include <poll.h>

#include <atomic>
#include <thread>

#include "common/clock.h"
#include "memory/shared_map.h"
#include "tests/lane/lane_fixture.h"

using namespace callring;
using callring::test::LanePair;

namespace {
bool event_readable(const ParentBell& bell) {
    pollfd entry{bell.event_fd(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
}

void complete_one(const LanePair& lane, Code code = Code::ok) {
    lane.push();
    REQUIRE(lane.child->try_next() != nullptr);
    lane.child->complete(code, 0, 0, {});
}

// A thread that sleeps on the bell as a driver does.
class Sleeper {
public:
    explicit Sleeper(const LanePair& lane)
        : map_(std::move(SharedMap::attach(UniqueFd::copy_of(lane.bell->fd()), sizeof(Bell))).value()),
          thread_([&lane, this] {
              lane.bell->sleep([&] { return lane.parent->rings(); }, std::nullopt);
              ended_ = true;
          }) {
        while (!sleeps()) {
            std::this_thread::yield();
        }
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper() { thread_.join(); }

    // Whether no wake-up was requested since it fell asleep.
    [[nodiscard]] bool sleeps() const {
        return reinterpret_cast<const Bell*>(map_.data())->state == static_cast<std::uint32_t>(BellState::waiter);
    }
    void expect_woken() const {
        CHECK_FALSE(sleeps());
        while (!ended_) {
            std::this_thread::yield();
        }
    }

private:
    SharedMap map_;
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};
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

TEST_CASE("a lane rings for every completion unless the driver sleeps through some") {
    const LanePair lane;
    CHECK_FALSE(lane.parent->rings());
    complete_one(lane);
    CHECK(lane.parent->rings());
    lane.parent->ring_from(2);
    CHECK_FALSE(lane.parent->rings());
    complete_one(lane);
    CHECK_FALSE(lane.parent->rings());
    complete_one(lane);
    CHECK(lane.parent->rings());
    while (lane.parent->front_completion() != nullptr) {
        lane.parent->pop_completion();
    }
    CHECK_FALSE(lane.parent->rings());
    complete_one(lane);
    CHECK(lane.parent->rings());
    lane.parent->ring_from(9);
    CHECK_FALSE(lane.parent->rings());
    lane.parent->ring_from(0);
    CHECK(lane.parent->rings());
}

TEST_CASE("a child does not wake a driver for a success through which it sleeps") {
    const LanePair lane;
    lane.parent->ring_from(1);
    Sleeper driver(lane);
    complete_one(lane);
    CHECK(driver.sleeps());
    complete_one(lane);
    driver.expect_woken();
}

TEST_CASE("a child wakes a driver for a failure, also one through which it would sleep") {
    const LanePair lane;
    lane.parent->ring_from(9);
    Sleeper driver(lane);
    complete_one(lane, Code::kernel_failed);
    driver.expect_woken();
}

TEST_CASE("a child wakes a driver for a result that takes shared memory until it is taken") {
    const LanePair lane;
    lane.parent->ring_from(9);
    Sleeper driver(lane);
    lane.push();
    REQUIRE(lane.child->try_next() != nullptr);
    REQUIRE(lane.child->reserve_result(1000) != nullptr);
    lane.child->complete_with_result(Code::ok, 0, 0, 1000);
    driver.expect_woken();
}

TEST_CASE("a child wakes a driver for a revoked frame at which it has to be awake") {
    const LanePair lane;
    lane.parent->ring_from(1);
    lane.push();
    REQUIRE(lane.parent->revoke(lane.push()));
    Sleeper driver(lane);
    REQUIRE(lane.child->try_next() != nullptr);
    lane.child->complete(Code::ok, 0, 0, {});
    CHECK(driver.sleeps());
    CHECK(lane.child->try_next() == nullptr);
    driver.expect_woken();
}

TEST_CASE("the progress thread is asked for at every completion, whatever a driver sleeps through") {
    const LanePair lane;
    lane.parent->ring_from(9);
    lane.bell->arm_progress([] { return false; });
    complete_one(lane);
    CHECK(event_readable(*lane.bell));
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
