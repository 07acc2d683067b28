#include <new>
#include <thread>

#include "parts_fixture.h"

namespace callring::test {

TEST_CASE("a question to no children is over at once") {
    const PartsFixture fixture;
    auto held = fixture.lock();
    int asked = 0;
    fixture.parts->questions.ask(held, [&] {
        ++asked;
        CHECK(fixture.parts->questions.receiving());
        // A second caller leaves the answers to the first.
        fixture.parts->questions.ask(held, [&] { ++asked; });
        CHECK(fixture.parts->questions.receiving());
    });
    CHECK(asked == 2);
    CHECK_FALSE(fixture.parts->questions.receiving());
    CHECK(held.owns_lock());
}

TEST_CASE("a wait for answers ends with the answer, or after a while so that the caller can check for signals") {
    const PartsFixture fixture;
    bool answered = false;
    {
        auto held = fixture.lock();
        CHECK(fixture.parts->questions.wait(held, [&] { return answered; }) == Waited::interrupted);
    }
    std::thread answers([&] {
        const auto held = fixture.lock();
        answered = true;
        fixture.shared.changed.notify_all();
    });
    {
        auto held = fixture.lock();
        CHECK(patiently([&] { return fixture.parts->questions.wait(held, [&] { return answered; }); }) == Waited::done);
    }
    answers.join();
}

TEST_CASE("a wait for answers ends when the Engine is closed, and fails when its books are torn") {
    const PartsFixture fixture;
    auto held = fixture.lock();
    fixture.shared.closed = true;
    CHECK(fixture.parts->questions.wait(held, [] { return false; }) == Waited::done);
    fixture.shared.books.torn = true;
    CHECK_THROWS_AS(fixture.parts->questions.wait(held, [] { return false; }), std::bad_alloc);
    fixture.shared.books.torn = false;
}

TEST_CASE("traces are requested from nodes alone, and a node that does not run counts as an error") {
    const PartsFixture fixture;
    const auto held = fixture.lock();
    CHECK(fixture.parts->questions.ask_for_traces()->answers.empty());
    const ChildPtr chip = fixture.add_child(ChildKind::chip);
    const ChildPtr node = fixture.add_child(ChildKind::node);
    node->id = 7;
    const auto asked = fixture.parts->questions.ask_for_traces();
    CHECK(asked->open == 0);
    REQUIRE(asked->answers.size() == 1);
    CHECK(asked->answers.front().first == 7);
    CHECK(asked->answers.front().second.error().code == Code::worker_lost);
    CHECK(asked->answers.front().second.error().message.find(node->name()) != std::string::npos);
}

TEST_CASE("if no child runs, an arena is mapped by none, and no answer is awaited") {
    const PartsFixture fixture;
    const auto buffer = std::move(fixture.shared.pool->allocate(64)).value();
    const auto held = fixture.lock();
    const ChildPtr chip = fixture.add_child(ChildKind::chip);
    const auto arenas = fixture.shared.pool->arenas();
    REQUIRE_FALSE(arenas.empty());
    const auto mapping = fixture.parts->arenas.map(arenas.front(), now_ns());
    CHECK(mapping->open == 0);
    CHECK_FALSE(mapping->failure);
}

}  // namespace callring::test
