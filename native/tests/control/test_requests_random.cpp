// Requests with a child that answers in any order, late, from notices or not at all: every request hears exactly what
// the documentation of its callback allows.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "control/requests.h"

using namespace callring;

namespace {

constexpr std::uint64_t kNoDeadline = UINT64_MAX;

MessageHeader register_header(std::uint64_t argument) {
    MessageHeader header = header_of(Op::register_callable, argument);
    header.kind = 2;
    header.digest[0] = static_cast<std::byte>(argument);
    return header;
}

// What one request has heard.
struct Heard {
    int timeouts = 0;
    int answers = 0;  // or the end of the child
    std::string last;
};

struct AskedAtRandom {
    AskedAtRandom() : AskedAtRandom(std::move(Channel::pair()).value()) {}
    explicit AskedAtRandom(std::pair<Channel, Channel> ends)
        : requests(std::move(ends.first), [this] { ++blocked; }), child(std::move(ends.second)) {}

    Requests::OnAnswer listener(std::uint64_t number) {
        return [this, number](Result<Message>& answer) {
            Heard& entry = heard[number];
            CHECK(entry.answers == 0);  // nothing is heard after the end
            const bool timed_out = !answer && answer.error().code == Code::timeout;
            ++(timed_out ? entry.timeouts : entry.answers);
            entry.last = answer ? answer->body : answer.error().message;
        };
    }
    void post(std::uint64_t number, std::uint64_t deadline_ns = kNoDeadline, std::string_view body = {}) {
        requests.post(register_header(number), body, {}, deadline_ns, listener(number));
    }
    // The requests that the child has not taken yet.
    std::vector<Message> take() {
        std::vector<Message> taken;
        for (auto next = child.try_receive(); next && *next; next = child.try_receive()) {
            taken.push_back(std::move(**next));
        }
        return taken;
    }
    // Answers as a child does, and lets the parent receive it.
    Result<void> answer(const MessageHeader& asked, std::string_view body = "done") {
        REQUIRE(child.send(asked, body, {}, kNoDeadline).ok());
        return requests.deliver(std::move(requests.channel().receive(std::nullopt)).value());
    }

    int blocked = 0;
    std::map<std::uint64_t, Heard> heard;
    Requests requests;
    Channel child;
};

}  // namespace

TEST_CASE("requests have rising numbers from 1 on, also those without an answer, which is then refused") {
    AskedAtRandom fixture;
    fixture.post(1);
    fixture.requests.tell(header_of(Op::shutdown), "");
    fixture.post(2);
    const auto taken = fixture.take();
    REQUIRE(taken.size() == 3);
    for (std::uint64_t i = 0; i < taken.size(); ++i) {
        CHECK(taken[i].header.sequence == i + 1);
    }
    CHECK(taken[1].op() == Op::shutdown);
    CHECK(fixture.requests.unanswered() == 2);
    CHECK(fixture.answer(taken[1].header).error().code == Code::malformed);
    CHECK(fixture.requests.unanswered() == 2);
}

TEST_CASE("a request without a deadline never times out, whatever time its child is given") {
    AskedAtRandom fixture;
    fixture.post(1, kNoDeadline);
    for (const Grace& grace : {Grace{}, Grace{500, 1}, Grace{kNoDeadline, 1000}, Grace{kNoDeadline, kNoDeadline}}) {
        CHECK(fixture.requests.next_deadline(grace) == kNoDeadline);
        fixture.requests.expire(kNoDeadline - 1, grace);
    }
    CHECK(fixture.heard[1].timeouts == 0);
}

TEST_CASE("a callback may post more requests: at an answer, at a timeout, and at the child's end") {
    AskedAtRandom fixture;
    std::uint64_t posted = 10;  // the number of the last request that a callback posted
    const auto posting = [&](std::uint64_t number) {
        return [&fixture, &posted, number](Result<Message>& answer) {
            fixture.listener(number)(answer);
            ++posted;
            fixture.post(posted, posted == 11 ? 100 : kNoDeadline);
        };
    };
    fixture.requests.post(register_header(1), {}, {}, kNoDeadline, posting(1));
    CHECK(fixture.answer(fixture.take().at(0).header).ok());
    CHECK(fixture.heard[1].answers == 1);
    CHECK(fixture.requests.next_deadline() == 100);  // of the request that the callback posted
    fixture.requests.post(register_header(5), {}, {}, 50, posting(5));
    fixture.requests.expire(60);
    CHECK(fixture.heard[5].timeouts == 1);
    CHECK(fixture.heard[5].answers == 0);
    CHECK(fixture.take().size() == 3);
    fixture.requests.fail_all({Code::closed, "it died"});
    CHECK(posted == 13);  // at the answer, at the timeout and at the child's end
    for (const std::uint64_t number : {5U, 11U, 12U, 13U}) {
        CHECK(fixture.heard[number].last == "it died");
    }
    CHECK(fixture.requests.unanswered() == 0);
}

TEST_CASE("a request to a child that has closed its socket waits for the child's end, which fails it") {
    AskedAtRandom fixture;
    fixture.child.close();
    fixture.post(1);
    CHECK(fixture.heard.empty());
    CHECK(fixture.requests.unanswered() == 1);
    CHECK(fixture.requests.flush());
    fixture.requests.fail_all({Code::closed, "it died"});
    CHECK(fixture.heard[1].answers == 1);
}

TEST_CASE("of the waiting messages, one that can never be sent fails alone, and the next ones are sent") {
    AskedAtRandom fixture;
    std::uint64_t number = 0;
    while (fixture.blocked == 0) {
        fixture.post(++number, kNoDeadline, std::string(kMaxMessageBody, 'x'));
    }
    const std::uint64_t wrong = ++number;
    fixture.post(wrong, kNoDeadline, std::string(kMaxMessageBody + 1, 'x'));
    fixture.post(++number, kNoDeadline, "after it");
    CHECK(fixture.heard.empty());
    std::size_t arrived = 0;
    while (!fixture.requests.flush()) {
        arrived += fixture.take().size();
    }
    const auto rest = fixture.take();
    CHECK(arrived + rest.size() == number - 1);
    CHECK(rest.back().body == "after it");
    CHECK(fixture.heard.size() == 1);
    CHECK(fixture.heard[wrong].last == "control message over its limits");
    CHECK(fixture.requests.unanswered() == number - 1);
}

TEST_CASE("messages that wait when the child ends are never sent") {
    AskedAtRandom fixture;
    for (std::uint64_t number = 1; fixture.blocked == 0; ++number) {
        fixture.post(number, kNoDeadline, std::string(kMaxMessageBody, 'x'));
    }
    const std::size_t sent = fixture.requests.unanswered() - 1;
    fixture.requests.fail_all({Code::closed, "it died"});
    CHECK(fixture.requests.flush());
    CHECK(fixture.take().size() == sent);
    CHECK(fixture.heard.size() == sent + 1);
}

TEST_CASE("the answer to a notice is matched like any other, and each end of a request frees the notice once") {
    const auto broadcast = std::move(Broadcast::create()).value();
    enum class End { answer, death };
    for (std::uint64_t round = 0; round < 6 * kNotices; ++round) {
        const End end = round % 2 == 0 ? End::answer : End::death;
        AskedAtRandom fixture;
        const MessageHeader header = register_header(7);
        REQUIRE(broadcast->open(""));  // every earlier notice is free again
        fixture.requests.expect(*broadcast, 3, header, 1000, fixture.listener(7));
        broadcast->publish(header, "");
        fixture.requests.expire(1000);
        CHECK(fixture.heard[7].timeouts == 1);
        MessageHeader reply = header;
        reply.sequence = kFirstNotice + round;
        MessageHeader wrong = reply;
        wrong.digest[0] = std::byte{99};
        CHECK(fixture.answer(wrong).error().code == Code::malformed);
        if (end == End::answer) {
            CHECK(fixture.answer(reply).ok());
            CHECK(fixture.answer(reply).error().code == Code::malformed);
            CHECK(fixture.heard[7].last == "done");
        } else {
            fixture.requests.fail_all({Code::closed, "it died"});
            CHECK(fixture.heard[7].last == "it died");
        }
        CHECK(fixture.heard[7].answers == 1);
    }
}

TEST_CASE("a child that has ended is in no audience: its request fails at once, and the notice is sent to no child") {
    const auto broadcast = std::move(Broadcast::create()).value();
    AskedAtRandom fixture;
    fixture.requests.fail_all({Code::closed, "it died"});
    REQUIRE(broadcast->open(""));
    fixture.requests.expect(*broadcast, 3, register_header(7), 1000, fixture.listener(7));
    CHECK(fixture.heard[7].last == "it died");
    broadcast->publish(register_header(7), "");
    CHECK(broadcast->next() == kFirstNotice);
}

TEST_CASE("random requests, answers, lies, timeouts and a death: each request hears one timeout at most and one end") {
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        AskedAtRandom fixture;
        std::vector<MessageHeader> open;                   // taken by the child and not answered
        std::map<std::uint64_t, std::uint64_t> deadlines;  // of requests that may still time out
        std::uint64_t number = 0;
        std::uint64_t now = 0;
        std::size_t answered = 0;
        for (int step = 0; step < 200; ++step) {
            switch (random() % 5) {
                case 0:
                case 1: {
                    const std::uint64_t deadline = random() % 4 == 0 ? kNoDeadline : now + 1 + (random() % 50);
                    fixture.post(++number, deadline);
                    deadlines[number] = deadline;
                    break;
                }
                case 2:
                    for (const Message& message : fixture.take()) {
                        open.push_back(message.header);
                    }
                    if (!open.empty()) {
                        std::swap(open[random() % open.size()], open.back());
                        CHECK(fixture.answer(open.back()).ok());
                        CHECK(fixture.heard[open.back().argument].answers == 1);
                        deadlines.erase(open.back().argument);
                        open.pop_back();
                        ++answered;
                    }
                    break;
                case 3:
                    if (!open.empty()) {
                        MessageHeader lie = open[random() % open.size()];
                        ++lie.argument;
                        CHECK_FALSE(fixture.answer(lie).ok());
                    }
                    break;
                default: {
                    now += random() % 30;
                    fixture.requests.expire(now);
                    std::uint64_t next = kNoDeadline;
                    for (auto it = deadlines.begin(); it != deadlines.end();) {
                        const bool passed = it->second <= now;
                        CHECK(fixture.heard[it->first].timeouts == (passed ? 1 : 0));
                        next = passed ? next : std::min(next, it->second);
                        it = passed ? deadlines.erase(it) : std::next(it);
                    }
                    CHECK(fixture.requests.next_deadline().value_or(kNoDeadline) == next);
                }
            }
            REQUIRE(fixture.requests.unanswered() == number - answered);
        }
        fixture.requests.fail_all({Code::closed, "it died"});
        for (std::uint64_t i = 1; i <= number; ++i) {
            CHECK(fixture.heard[i].answers == 1);
            CHECK(fixture.heard[i].timeouts <= 1);
        }
    }
}
