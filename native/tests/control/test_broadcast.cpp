#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "control/broadcast.h"
#include "control/inbox.h"
#include "lane/layout.h"

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

struct Announced {
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
    Announced fixture;
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
    Announced fixture;
    fixture.publish("before", {0});
    Child child(*fixture.broadcast, 0);
    fixture.publish("notice", {0});
    REQUIRE(child.parent.send(MessageHeader{}, "message", {}, now_ns() + kLongNs).ok());
    CHECK(child.received() == std::vector<std::string>{"notice", "message"});
    child.parent.close();
    CHECK(child.inbox.receive(child.channel, std::nullopt).error().code == Code::closed);
}

TEST_CASE("a notice stays until every addressed child has answered or is gone") {
    Announced fixture;
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
    Announced fixture;
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
    Announced fixture;
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

TEST_CASE("a notice reaches every place of its audience, and no other place") {
    Announced fixture;
    const std::vector<std::uint32_t> places{0, 1, 62, 63, 64, 65, 127, 128, 191, 192, 254, 255};
    std::vector<std::unique_ptr<Child>> children;
    for (const std::uint32_t place : places) {
        children.push_back(std::make_unique<Child>(*fixture.broadcast, place));
    }
    for (std::size_t first = 0; first < places.size(); ++first) {
        const std::vector<std::uint32_t> audience(places.begin() + static_cast<std::ptrdiff_t>(first), places.end());
        const std::uint64_t number = fixture.publish(std::to_string(first), audience);
        REQUIRE(number == kFirstNotice + first);
        for (std::size_t i = 0; i < places.size(); ++i) {
            CAPTURE(places[i]);
            CHECK(children[i]->received().size() == (i >= first ? 1 : 0));
        }
        for (std::size_t i = first; i < places.size(); ++i) {
            fixture.broadcast->heard(number);
        }
    }
}

TEST_CASE("a notice arrives with the header of its request, its number, and this layout version") {
    Announced fixture;
    Child child(*fixture.broadcast, 5);
    REQUIRE(fixture.broadcast->open("body"));
    const std::uint64_t number = fixture.broadcast->address(5);
    MessageHeader header = header_of(Op::map_arena, 77);
    header.kind = 4;
    header.digest[31] = std::byte{9};
    fixture.broadcast->publish(header, "body");
    const auto message = child.inbox.receive(child.channel, now_ns());
    REQUIRE(message.ok());
    CHECK(message->op() == Op::map_arena);
    CHECK(message->header.argument == 77);
    CHECK(message->header.kind == 4);
    CHECK(message->header.digest == header.digest);
    CHECK(message->header.sequence == number);
    CHECK(message->header.layout_version == kLayoutVersion);
    CHECK(message->header.magic == kControlMagic);
    CHECK(message->body == "body");
    CHECK(message->fds.empty());
}

TEST_CASE("the largest body fits into a notice, and a shorter one after it has no rest of it") {
    Announced fixture;
    Child child(*fixture.broadcast, 0);
    const std::string largest(kMaxMessageBody, 'x');
    for (unsigned i = 0; i <= kNotices; ++i) {
        const std::string body = i < kNotices ? largest : "short";
        fixture.broadcast->heard(fixture.publish(body, {0}));
        CHECK(child.received() == std::vector<std::string>{body});
    }
}

TEST_CASE("a notice whose length was overwritten is refused, and its memory is not read beyond its end") {
    Announced fixture;
    Child child(*fixture.broadcast, 0);
    const std::uint64_t number = fixture.publish("body", {0});
    const auto map = std::move(SharedMap::attach(UniqueFd::copy_of(fixture.broadcast->fd()))).value();
    reinterpret_cast<Notices*>(map.data())->at(number).header.body_bytes = kMaxMessageBody + 1;
    const auto received = child.inbox.receive(child.channel, now_ns());
    REQUIRE_FALSE(received.ok());
    CHECK(received.error().code == Code::malformed);
}

TEST_CASE("a child cannot write to the notices of its parent's other children") {
    Announced fixture;
    const Child child(*fixture.broadcast, 0);
    std::ifstream maps("/proc/self/maps");
    int read_only = 0;
    int writable = 0;
    for (std::string line; std::getline(maps, line);) {
        if (line.find("callring-notices") != std::string::npos) {
            ++(line.find(" r--s ") != std::string::npos ? read_only : writable);
        }
    }
    CHECK(read_only == 1);  // the child's
    CHECK(writable == 1);   // the parent's
}

TEST_CASE("without an audience place, a child receives messages on its socket only, until its deadline") {
    auto ends = std::move(Channel::pair()).value();
    Inbox inbox;
    CHECK(inbox.receive(ends.second, now_ns()).error().code == Code::timeout);
    REQUIRE(ends.first.send(MessageHeader{}, "message", {}, now_ns() + kLongNs).ok());
    CHECK(inbox.receive(ends.second, std::nullopt)->body == "message");
    ends.first.close();
    CHECK(inbox.receive(ends.second, std::nullopt).error().code == Code::closed);
}

TEST_CASE("random notices to random audiences: each child receives its own, once and in order, whenever it looks") {
    constexpr std::uint32_t kChildren = 5;
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
        std::mt19937 random(seed);
        Announced fixture;
        std::vector<std::unique_ptr<Child>> children;
        std::vector<std::vector<std::string>> expected(kChildren);
        std::vector<std::vector<std::uint64_t>> unanswered(kChildren);
        for (std::uint32_t i = 0; i < kChildren; ++i) {
            children.push_back(std::make_unique<Child>(*fixture.broadcast, i * 60));
        }
        const auto look = [&](std::uint32_t i) {
            CHECK(children[i]->received() == expected[i]);
            for (const std::uint64_t number : unanswered[i]) {
                fixture.broadcast->heard(number);
            }
            expected[i].clear();
            unanswered[i].clear();
        };
        int published = 0;
        for (int step = 0; step < 300; ++step) {
            if (random() % 3 == 0) {
                look(static_cast<std::uint32_t>(random() % kChildren));
                continue;
            }
            std::vector<std::uint32_t> audience;
            for (std::uint32_t i = 0; i < kChildren; ++i) {
                if (random() % 2 == 0) {
                    audience.push_back(i);
                }
            }
            std::vector<std::uint32_t> places;
            for (const std::uint32_t i : audience) {
                places.push_back(i * 60);
            }
            const std::string body = std::to_string(step);
            const std::uint64_t number = fixture.publish(body, places);
            if (number == 0) {
                continue;  // to no child, or an earlier notice still lacks answers
            }
            ++published;
            for (const std::uint32_t i : audience) {
                expected[i].push_back(body);
                unanswered[i].push_back(number);
            }
        }
        CHECK(published > 20);
        for (std::uint32_t i = 0; i < kChildren; ++i) {
            look(i);
        }
    }
}

TEST_CASE("children on other threads sleep, and miss no notice that is addressed to them") {
    constexpr unsigned kChildren = 3;
    constexpr unsigned kRounds = 2000;
    constexpr std::uint64_t kWrong = UINT64_MAX;
    Announced fixture;
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
