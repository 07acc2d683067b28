#include <atomic>
#include <functional>
#include <future>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include "lane/bell.h"
#include "lane/child_lane.h"
#include "lane/frame.h"
#include "memory/shared_map.h"
#include "parts_fixture.h"

namespace callring::test {

namespace {

struct Waiting : PartsFixture {
    WaitLoop& waits = parts->waits;

    void wait_until(const std::function<bool()>& done) const {
        auto held = lock();
        CHECK(patiently([&] { return waits.wait(held, done, now_ns() + kLongNs); }) == Waited::done);
    }
    // Changes something that a thread may wait for.
    void change(const std::function<void()>& something) const {
        const auto held = lock();
        something();
        waits.after_progress();
    }
};

// A thread that takes the ended tasks of a stream.
struct Taking : Waiting {
    Taking() {
        const auto held = lock();
        stream = parts->runs.begin_stream();
    }
    // Returns how many it took.
    std::future<std::size_t> take() const {
        return std::async(std::launch::async, [this] {
            auto held = lock();
            return waits.take_ended(held, *stream).size();
        });
    }

    RunPtr stream;
};

// A chip that the test plays. It rings another bell than the parent's, like a chip that completes its tasks before the
// driver has announced that it falls asleep.
struct Played {
    explicit Played(const Waiting& fixture) : child(fixture.add_child(ChildKind::chip)) {
        callable->registrations = 1;
        child->lane = std::move(ParentLane::create(8, 0)).value();
        child->lane_view = child->lane.get();
        end = std::move(ChildLane::attach(UniqueFd::copy_of(child->lane->fd()), UniqueFd::copy_of(bell->fd()),
                                          UniqueFd::copy_of(bell->event_fd())))
                  .value();
        child->state = ChildState::ready;
        fixture.shared.scheduler.child_ready(*child);
    }
    // Puts a task into its lane.
    void submit(const Waiting& fixture, const RunPtr& run) const {
        const TaskPtr task = allocate_task();
        task->callable = callable;
        task->placement = 0;
        task->config.trace = 0;
        task->args = no_arguments();
        task->argument_bytes = static_cast<std::uint32_t>(argument_bytes(*task->args));
        REQUIRE(fixture.shared.scheduler.submit(run, task, {}).ok());
    }
    void complete() const {
        REQUIRE(end->try_next() != nullptr);
        end->complete(Code::ok, 0, 0, {});
    }

    CallablePtr callable = std::make_shared<Callable>();
    std::unique_ptr<ParentBell> bell = std::move(ParentBell::create()).value();
    ChildPtr child;
    std::unique_ptr<ChildLane> end;
};

BellState bell_state(const Shared& shared) {
    const auto map = std::move(SharedMap::attach(UniqueFd::copy_of(shared.bell->fd()), sizeof(Bell))).value();
    return static_cast<BellState>(reinterpret_cast<const Bell*>(map.data())->state.load());
}

// Waits until a thread sleeps on the parent's bell.
void await_sleep(const Shared& shared) {
    while (bell_state(shared) != BellState::waiter) {
        std::this_thread::yield();
    }
}

}  // namespace

TEST_CASE("a wait for a condition that holds already ends at once") {
    const Waiting fixture;
    auto held = fixture.lock();
    CHECK(fixture.waits.wait(held, [] { return true; }, now_ns()) == Waited::done);
    CHECK(held.owns_lock());
}

TEST_CASE("a wait ends at its deadline") {
    const Waiting fixture;
    auto held = fixture.lock();
    CHECK(fixture.waits.wait(held, [] { return false; }, now_ns() + 1'000'000) == Waited::timed_out);
    CHECK(fixture.waits.wait(held, [] { return false; }, 0) == Waited::timed_out);
}

TEST_CASE("a wait without a deadline returns after a while, so that the caller can check for signals") {
    const Waiting fixture;
    auto held = fixture.lock();
    CHECK(fixture.waits.wait(held, [] { return false; }, std::nullopt) == Waited::interrupted);
}

TEST_CASE("every waiting thread notices a change, the one that drives and the others") {
    const Waiting fixture;
    int step = 0;  // under the lock
    std::atomic<int> woken = 0;
    std::vector<std::thread> threads;
    for (int i = 1; i <= 4; ++i) {
        threads.emplace_back([&, i] {
            fixture.wait_until([&step, i] { return step >= i; });
            ++woken;
        });
    }
    for (int i = 1; i <= 4; ++i) {
        fixture.change([&step] { ++step; });
        while (woken < i) {
            std::this_thread::yield();
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

TEST_CASE("a thread that takes from a stream returns with nothing when the stream is sealed") {
    const Taking fixture;
    auto taken = fixture.take();
    // At the same time another thread waits for a condition, and the taker lets that thread drive.
    bool changed = false;
    std::thread waiter([&] { fixture.wait_until([&] { return changed; }); });
    {
        const auto held = fixture.lock();
        fixture.seal(fixture.stream);
        fixture.waits.after_progress();
        fixture.waits.tell_takers();
    }
    CHECK(taken.get() == 0);
    fixture.change([&] { changed = true; });
    waiter.join();
}

TEST_CASE("a thread that takes from a stream returns when the Engine is closed") {
    const Taking fixture;
    auto taken = fixture.take();
    {
        const auto held = fixture.lock();
        fixture.shared.closed = true;
        fixture.waits.tell_all();
    }
    CHECK(taken.get() == 0);
    const auto held = fixture.lock();
    fixture.seal(fixture.stream);
}

TEST_CASE("the driver wakes up when another thread has drained the completion that would have woken it") {
    const Taking fixture;
    std::optional<Played> played;
    {
        const auto held = fixture.lock();
        played.emplace(fixture);
        played->submit(fixture, fixture.stream);
    }
    auto taken = fixture.take();
    await_sleep(fixture.shared);
    {
        const auto held = fixture.lock();
        played->complete();
        CHECK(fixture.waits.drain());
    }
    CHECK(taken.get() == 1);
    const auto held = fixture.lock();
    fixture.seal(fixture.stream);
}

namespace {

// A driver that sleeps until the end of a run of four tasks, of which one has ended: its child has not rung.
struct SleepingThrough : Waiting {
    SleepingThrough() {
        const auto held = lock();
        run = parts->runs.begin({});
        played.emplace(*this);
        for (int i = 0; i < 4; ++i) {
            played->submit(*this, run);
        }
        parts->shared.scheduler.seal(*run);
        played->child->task_ns = 1'000'000;
        driver = std::async(std::launch::async, [this] {
            auto own = lock();
            return patiently(
                [&] { return waits.wait(own, [this] { return run->finished(); }, now_ns() + kLongNs, true); });
        });
    }
    void begin() {
        await_sleep(shared);
        CHECK(played->child->lane->rings() == false);
        played->complete();
        CHECK(played->child->lane->rings() == false);
    }
    void end() {
        for (int i = 0; i < 3; ++i) {
            played->complete();
        }
        {
            const auto held = lock();
            waits.drain();
        }
        CHECK(driver.get() == Waited::done);
    }

    RunPtr run;
    std::optional<Played> played;
    std::future<Waited> driver;
};

}  // namespace

TEST_CASE("a driver that waits for a run sleeps through the ends of its tasks but the last one") {
    SleepingThrough fixture;
    fixture.begin();
    {
        const auto held = fixture.lock();
        CHECK(bell_state(fixture.shared) == BellState::waiter);
        CHECK(fixture.played->child->completed == 0);
    }
    fixture.end();
}

TEST_CASE("a driver hears every completion, also earlier ones, once another thread has submitted a task") {
    SleepingThrough fixture;
    fixture.begin();
    {
        const auto held = fixture.lock();
        fixture.waits.expect_progress();
        CHECK(bell_state(fixture.shared) != BellState::waiter);
        CHECK(fixture.played->child->lane->rings());
    }
    fixture.end();
}

TEST_CASE("a driver hears every completion while another thread waits, too") {
    SleepingThrough fixture;
    fixture.begin();
    std::atomic<bool> waiting = false;
    bool changed = false;
    std::thread other([&] {
        fixture.wait_until([&] {
            waiting = true;
            return changed;
        });
    });
    while (!waiting) {
        std::this_thread::yield();
    }
    {
        const auto held = fixture.lock();  // the other thread has checked, and sleeps
        CHECK(fixture.played->child->completed == 1);
    }
    await_sleep(fixture.shared);
    fixture.played->complete();
    CHECK(fixture.played->child->lane->rings());
    fixture.change([&] { changed = true; });
    other.join();
    for (int i = 0; i < 2; ++i) {
        fixture.played->complete();
    }
    {
        const auto held = fixture.lock();
        fixture.waits.drain();
    }
    CHECK(fixture.driver.get() == Waited::done);
}

TEST_CASE("a wait in an Engine whose books are torn fails for lack of memory") {
    const Waiting fixture;
    fixture.shared.books.torn = true;
    auto held = fixture.lock();
    CHECK_THROWS_AS(fixture.waits.wait(held, [] { return true; }, std::nullopt), std::bad_alloc);
    fixture.shared.books.torn = false;
}

}  // namespace callring::test
