#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "control/broadcast.h"
#include "control/inbox.h"

using namespace callring;

namespace {
constexpr std::uint64_t kLongNs = 5'000'000'000;

// A child that listens.
struct Child {
    Child(Broadcast& broadcast, std::uint32_t place_of_child) : place(place_of_child) {
        auto ends = std::move(Channel::pair()).value();
        parent = std::move(ends.first);
        channel = std::move(ends.second);
        inbox = std::move(Inbox::listen(channel, UniqueFd::copy_of(broadcast.fd()),
                                        UniqueFd::copy_of(broadcast.event_fd()), place, broadcast.next()))
                    .value();
    }
    // The bodies of the notices that it has received so far.
    std::vector<std::string> received() {
        std::vector<std::string> bodies;
        for (;;) {
            auto message = inbox.receive(channel, now_ns());
            if (!message) {
                CHECK(message.error().code == Code::timeout);
                return bodies;
            }
            bodies.push_back(message->body);
            numbers.push_back(message->header.sequence);
        }
    }

    std::uint32_t place;
    Channel parent;
    Channel channel;
    Inbox inbox;
    std::vector<std::uint64_t> numbers;
};

struct Fixture {
    std::unique_ptr<Broadcast> broadcast = std::move(Broadcast::create()).value();

    // Returns the notice's number; 0: it could not be written.
    std::uint64_t publish(const std::string& body, const std::vector<std::uint32_t>& places) {
        if (!broadcast->open(body)) {
            return 0;
        }
        std::uint64_t number = 0;
        for (const std::uint32_t place : places) {
            number = broadcast->address(place);
        }
        MessageHeader header;
        header.op = static_cast<std::uint32_t>(Op::register_callable);
        broadcast->publish(header, body);
        return number;
    }
};
}  // namespace

TEST_CASE("each addressed child receives a notice once, and in order") {
    Fixture fixture;
    Child first(*fixture.broadcast, 0);
    Child last(*fixture.broadcast, kAudience - 1);
    fixture.publish("both", {0, kAudience - 1});
    fixture.publish("first", {0});
    fixture.publish("last", {kAudience - 1});
    CHECK(first.received() == std::vector<std::string>{"both", "first"});
    CHECK(last.received() == std::vector<std::string>{"both", "last"});
    CHECK(first.received().empty());
}

TEST_CASE("a child receives notices that are sent after it began to listen, and messages on its socket") {
    Fixture fixture;
    fixture.publish("before", {0});
    Child child(*fixture.broadcast, 0);
    fixture.publish("notice", {0});
    REQUIRE(child.parent.send(MessageHeader{}, "message", {}, now_ns() + kLongNs).ok());
    CHECK(child.received() == std::vector<std::string>{"notice", "message"});
    child.parent.close();
    CHECK(child.inbox.receive(child.channel, std::nullopt).error().code == Code::closed);
}

TEST_CASE("a notice stays until every addressed child has answered or is gone") {
    Fixture fixture;
    Child child(*fixture.broadcast, 0);
    Child slow(*fixture.broadcast, 1);
    const std::uint64_t shared = fixture.publish("shared", {0, 1});
    for (std::size_t i = 1; i < kNotices; ++i) {
        REQUIRE(fixture.publish(std::to_string(i), {0}) != 0);
    }
    CHECK(child.received().size() == kNotices);
    fixture.broadcast->heard(shared);
    CHECK(fixture.publish("too early", {0}) == 0);
    CHECK(slow.received() == std::vector<std::string>{"shared"});
    fixture.broadcast->heard(shared);
    CHECK(fixture.publish("now", {0}) != 0);
    CHECK(child.received() == std::vector<std::string>{"now"});
}

TEST_CASE("a child that reads no notices for a long time misses none that is addressed to it") {
    Fixture fixture;
    Child busy(*fixture.broadcast, 0);
    Child rare(*fixture.broadcast, 1);
    for (unsigned i = 0; i < 5 * kNotices; ++i) {
        const std::uint64_t number = fixture.publish(std::to_string(i), {0});
        REQUIRE(busy.received() == std::vector<std::string>{std::to_string(i)});
        fixture.broadcast->heard(number);
    }
    REQUIRE(fixture.publish("at last", {1}) != 0);
    CHECK(rare.received() == std::vector<std::string>{"at last"});
}

TEST_CASE("a second notice cannot begin before the first is finished, and one that is too long never begins") {
    Fixture fixture;
    REQUIRE(fixture.broadcast->open(""));
    CHECK_FALSE(fixture.broadcast->open(""));
    fixture.broadcast->publish(MessageHeader{}, "");
    CHECK_FALSE(fixture.broadcast->open(std::string(kMaxMessageBody + 1, 'x')));
    CHECK(fixture.broadcast->next() == kFirstNotice);  // no child was addressed
}

TEST_CASE("memory that is not a broadcast's is refused") {
    auto ends = std::move(Channel::pair()).value();
    auto small = std::move(SharedMap::create("callring-test", 4096)).value();
    const auto broadcast = std::move(Broadcast::create()).value();
    CHECK_FALSE(
        Inbox::listen(ends.second, UniqueFd::copy_of(small.fd()), UniqueFd::copy_of(broadcast->event_fd()), 0, 0).ok());
    CHECK_FALSE(Inbox::listen(ends.second, UniqueFd::copy_of(broadcast->fd()), UniqueFd::copy_of(broadcast->event_fd()),
                              kAudience, 0)
                    .ok());
}

TEST_CASE("children on other threads sleep, and miss no notice that is addressed to them") {
    constexpr unsigned kChildren = 3;
    constexpr unsigned kRounds = 2000;
    constexpr std::uint64_t kWrong = UINT64_MAX;
    Fixture fixture;
    std::vector<std::unique_ptr<Child>> children;
    std::vector<std::atomic<std::uint64_t>> answered(kChildren);
    std::vector<std::thread> threads;
    std::vector<unsigned> expected(kChildren);
    children.reserve(kChildren);
    threads.reserve(kChildren);
    for (unsigned i = 0; i < kChildren; ++i) {
        children.push_back(std::make_unique<Child>(*fixture.broadcast, i));
    }
    for (unsigned round = 0; round < kRounds; ++round) {
        for (unsigned i = 0; i < kChildren; ++i) {
            expected[i] += round % (i + 1) == 0 ? 1 : 0;
        }
    }
    for (unsigned i = 0; i < kChildren; ++i) {
        threads.emplace_back([&, i] {
            for (unsigned n = 0; n < expected[i]; ++n) {
                auto message = children[i]->inbox.receive(children[i]->channel, now_ns() + (60 * kLongNs));
                const bool right = message && message->body == std::string(n * (i + 1) % 300, 'x');
                answered[i].store(right ? n + 1 : kWrong, std::memory_order_release);
                answered[i].notify_one();
                if (!right) {
                    return;
                }
            }
        });
    }
    std::vector<unsigned> asked(kChildren);
    for (unsigned round = 0; round < kRounds; ++round) {
        std::vector<std::uint32_t> places;
        for (unsigned i = 0; i < kChildren; ++i) {
            if (round % (i + 1) == 0) {
                places.push_back(i);
            }
        }
        const std::uint64_t number = fixture.publish(std::string(round % 300, 'x'), places);
        REQUIRE(number != 0);
        for (const std::uint32_t i : places) {
            ++asked[i];
            while (answered[i].load(std::memory_order_acquire) < asked[i]) {
                answered[i].wait(asked[i] - 1, std::memory_order_acquire);
            }
            fixture.broadcast->heard(number);
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(asked == expected);
    CHECK(std::none_of(answered.begin(), answered.end(), [](const auto& count) { return count == kWrong; }));
}
