#include <chrono>

#include "parts_fixture.h"

namespace callring::test {

namespace {

EngineOptions without_programs() {
    EngineOptions options;
    options.chip_program = {"/nonexistent/callring-chip"};
    options.fork_server_program = {"/nonexistent/python"};
    options.lane_capacity = 8;
    options.max_restarts = 2;  // it is given up soon
    return options;
}

struct Starting : PartsFixture {
    Starting() : PartsFixture(without_programs()) {
        const auto held = lock();
        chip = add_child(ChildKind::chip);
        sub = add_child(ChildKind::sub);
    }
    ChildPtr chip;
    ChildPtr sub;
};

}  // namespace

TEST_CASE("a child whose program does not exist is unchanged, and the error has the reason") {
    const Starting fixture;
    for (const ChildPtr& child : {fixture.chip, fixture.sub}) {
        Result<void> launched;
        fixture.shared.supervisor->run([&] { launched = fixture.parts->starter.launch(child); });
        REQUIRE_FALSE(launched.ok());
        CHECK(launched.error().message.find("cannot execute ") == 0);
        CHECK(child->incarnation == 0);
        CHECK_FALSE(child->requests);
        CHECK_FALSE(child->lane);
        CHECK(child->key == 0);
    }
    CHECK(fixture.parts->starter.incarnations().empty());
    CHECK_FALSE(fixture.shared.fork_server);
}

TEST_CASE("a key that no child has counts as that of an ended child") {
    const Starting fixture;
    CHECK_FALSE(fixture.parts->starter.find(1));
    CHECK_FALSE(fixture.parts->starter.take(1));
    CHECK(fixture.parts->recovery.on_readable(1).ok());
    CHECK(fixture.parts->recovery.on_writable(1));
    fixture.parts->recovery.on_exit(1, ExitStatus{});
    CHECK(fixture.chip->state == ChildState::starting);
}

TEST_CASE("a child that cannot be started while the Engine starts fails the start, and is lost") {
    const Starting fixture;
    fixture.launch(fixture.chip);
    const auto held = fixture.lock();
    CHECK(fixture.chip->state == ChildState::lost);
    REQUIRE(fixture.shared.start_error);
    REQUIRE(fixture.shared.start_error->child_end);
    CHECK(fixture.shared.start_error->child_end->child == fixture.chip->name());
    CHECK(fixture.shared.start_error->child_end->reason.find("could not be started: ") == 0);
}

TEST_CASE("a child that cannot be started later is tried again, and finally given up") {
    const Starting fixture;
    {
        const auto held = fixture.lock();
        fixture.shared.started = true;
    }
    fixture.launch(fixture.chip);
    auto held = fixture.lock();
    CHECK(fixture.shared.changed.wait_for(held, std::chrono::nanoseconds(kLongNs),
                                          [&] { return fixture.chip->state == ChildState::lost; }));
    CHECK(fixture.chip->last_end->given_up);
    CHECK_FALSE(fixture.shared.start_error);
}

TEST_CASE("a child that refuses callables fails the start, and the error names the first of them") {
    const Starting fixture;
    const auto held = fixture.lock();
    for (const char* label : {"first", "second"}) {
        Callable callable;
        callable.spec.label = label;
        fixture.parts->starter.install_refused(*fixture.chip, callable, {Code::malformed, "it is damaged"});
    }
    REQUIRE(fixture.parts->starter.refusal());
    CHECK(fixture.parts->starter.refusal()->callable.label == "first");
    CHECK(fixture.parts->starter.refusal()->child == fixture.chip->name());
    CHECK(fixture.shared.start_error->message.find("cannot install callable first: it is damaged") !=
          std::string::npos);
    CHECK(fixture.chip->condemned == fixture.shared.start_error->message);
}

TEST_CASE("a deadline is armed if it is earlier than the one before") {
    const Starting fixture;
    const std::uint64_t now = now_ns();
    {
        const auto held = fixture.lock();
        fixture.parts->recovery.expect_deadline(now + 3'600'000'000'000);
        fixture.parts->recovery.expect_deadline(now + 7'200'000'000'000);
    }
    CHECK(fixture.parts->recovery.next_deadline() == now + 3'600'000'000'000);
}

}  // namespace callring::test
