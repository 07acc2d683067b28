#include <atomic>
#include <new>
#include <thread>
#include <vector>

#include "parts_fixture.h"

namespace callring::test {

namespace {

struct Waiting : PartsFixture {
    WaitLoop& waits = parts->waits;

    // Until `done()`; again after each interruption, which only asks the caller to look for signals.
    void wait_until(const std::function<bool()>& done) const {
        auto held = lock();
        Waited outcome = Waited::interrupted;
        while (outcome == Waited::interrupted) {
            outcome = waits.wait(held, done, now_ns() + kNeverNs);
        }
        CHECK(outcome == Waited::done);
    }
    // Changes something that a thread may wait for.
    void change(const std::function<void()>& something) const {
        const auto held = lock();
        something();
        waits.after_progress();
    }
};

}  // namespace

TEST_CASE("a wait for what is so already ends at once") {
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

TEST_CASE("a wait without a deadline returns after a while, for the caller to look for signals") {
    const Waiting fixture;
    auto held = fixture.lock();
    CHECK(fixture.waits.wait(held, [] { return false; }, std::nullopt) == Waited::interrupted);
}

TEST_CASE("every thread that waits sees what changed, the one that drives and those that do not") {
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
    const Waiting fixture;
    RunPtr stream;
    {
        const auto held = fixture.lock();
        stream = fixture.parts->runs.begin_stream();
    }
    std::thread taker([&] {
        auto held = fixture.lock();
        CHECK(fixture.waits.take_ended(held, *stream).empty());
    });
    // Beside a thread that waits for something particular, for which the taker makes way.
    bool changed = false;
    std::thread waiter([&] { fixture.wait_until([&] { return changed; }); });
    {
        const auto held = fixture.lock();
        fixture.seal(stream);
        fixture.waits.after_progress();
        fixture.waits.tell_takers();
    }
    taker.join();
    fixture.change([&] { changed = true; });
    waiter.join();
}

TEST_CASE("a thread that takes from a stream returns when the Engine is closed") {
    const Waiting fixture;
    RunPtr stream;
    {
        const auto held = fixture.lock();
        stream = fixture.parts->runs.begin_stream();
    }
    std::thread taker([&] {
        auto held = fixture.lock();
        CHECK(fixture.waits.take_ended(held, *stream).empty());
    });
    {
        const auto held = fixture.lock();
        fixture.shared.closed = true;
        fixture.waits.tell_all();
    }
    taker.join();
    const auto held = fixture.lock();
    fixture.seal(stream);
}

TEST_CASE("a wait in an Engine whose books are torn fails for want of memory") {
    const Waiting fixture;
    fixture.shared.books.torn = true;
    auto held = fixture.lock();
    CHECK_THROWS_AS(fixture.waits.wait(held, [] { return true; }, std::nullopt), std::bad_alloc);
    fixture.shared.books.torn = false;
}

}  // namespace callring::test
