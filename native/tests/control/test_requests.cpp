#include <doctest/doctest.h>

#include <thread>

#include "common/clock.h"
#include "control/requests.h"

using namespace callring;

namespace {
constexpr std::uint64_t kLongNs = 5'000'000'000;
constexpr std::uint64_t kShortNs = 2'000'000;

struct Fixture {
    Fixture() : Fixture(std::move(Channel::pair()).value()) {}
    explicit Fixture(std::pair<Channel, Channel> ends)
        : requests(std::move(ends.first)), child(std::move(ends.second)) {}

    std::uint64_t ask() {
        MessageHeader header;
        header.op = static_cast<std::uint32_t>(Op::register_callable);
        auto asked = requests.ask(header, {}, {}, now_ns() + kLongNs);
        REQUIRE(asked.ok());
        return *asked;
    }
    // The child answers the request that it received last.
    void answer() {
        auto request = child.receive(now_ns() + kLongNs);
        REQUIRE(request.ok());
        REQUIRE(child.send(request->header, "done", {}, now_ns() + kLongNs).ok());
    }
    bool deliver() {
        auto message = requests.channel().receive(now_ns() + kLongNs);
        REQUIRE(message.ok());
        return requests.deliver(std::move(message).value());
    }

    Requests requests;
    Channel child;
};
}  // namespace

TEST_CASE("an answer reaches who asked, by its sequence number") {
    Fixture fixture;
    const std::uint64_t first = fixture.ask();
    const std::uint64_t second = fixture.ask();
    CHECK(first != second);
    fixture.answer();
    fixture.answer();
    CHECK(fixture.deliver());
    CHECK(fixture.deliver());
    CHECK(fixture.requests.wait(second, now_ns() + kLongNs)->header.sequence == second);
    CHECK(fixture.requests.wait(first, now_ns() + kLongNs)->header.sequence == first);
}

TEST_CASE("a late answer to a request that timed out is recognised and dropped, and the channel stays usable") {
    Fixture fixture;
    const std::uint64_t late = fixture.ask();
    CHECK(fixture.requests.wait(late, now_ns() + kShortNs).error().code == Code::timeout);
    fixture.answer();
    CHECK_FALSE(fixture.deliver());
    const std::uint64_t next = fixture.ask();
    fixture.answer();
    CHECK(fixture.deliver());
    CHECK(fixture.requests.wait(next, now_ns() + kLongNs).ok());
}

TEST_CASE("a child's death ends every pending and every later request") {
    Fixture fixture;
    const std::uint64_t pending = fixture.ask();
    std::thread reaper([&] { fixture.requests.fail_all({Code::closed, "it died"}); });
    CHECK(fixture.requests.wait(pending, now_ns() + kLongNs).error().message == "it died");
    reaper.join();
    CHECK(fixture.requests.ask({}, {}, {}, now_ns() + kLongNs).error().code == Code::closed);
}
