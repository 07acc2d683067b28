#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "control/requests.h"
#include "memory/sealed.h"

using namespace callring;

namespace {
constexpr std::uint64_t kPatienceNs = 5'000'000'000;
constexpr std::uint64_t kNever = UINT64_MAX;
constexpr std::string_view kSilent = "it did not answer control requests within the control timeout";

struct Asked {
    Asked() : Asked(std::move(Channel::pair()).value()) {}
    explicit Asked(std::pair<Channel, Channel> ends)
        : requests(std::move(ends.first), [this] { ++blocked; }), child(std::move(ends.second)) {}

    // Posts a request whose outcomes go to `heard` as `name:outcome`.
    void post(const std::string& name, std::uint64_t deadline_ns = kNever, std::span<const int> fds = {}) {
        MessageHeader header;
        header.op = static_cast<std::uint32_t>(Op::register_callable);
        requests.post(header, name, fds, deadline_ns, [this, name](Result<Message>& answer) {
            heard.push_back(name + ":" + (answer ? answer->body : answer.error().message));
        });
    }
    // Posts a request and takes it as the child does.
    Message ask(const std::string& name) {
        post(name);
        return take();
    }
    Message take() {
        auto request = child.receive(now_ns() + kPatienceNs);
        REQUIRE(request.ok());
        return std::move(request).value();
    }
    void answer(const Message& request) {
        REQUIRE(child.send(request.header, "done", {}, now_ns() + kPatienceNs).ok());
    }
    Result<void> receive() {
        auto message = requests.channel().receive(now_ns() + kPatienceNs);
        REQUIRE(message.ok());
        return requests.deliver(std::move(message).value());
    }
    void deliver() { REQUIRE(receive().ok()); }

    int blocked = 0;
    std::vector<std::string> heard;
    Requests requests;
    Channel child;
};
}  // namespace

TEST_CASE("an answer reaches its request, by its sequence number") {
    Asked fixture;
    const Message first = fixture.ask("first");
    const Message second = fixture.ask("second");
    fixture.answer(second);
    fixture.answer(first);
    fixture.deliver();
    fixture.deliver();
    CHECK(fixture.heard == std::vector<std::string>{"second:done", "first:done"});
    CHECK(fixture.requests.unanswered() == 0);
}

TEST_CASE("a request is notified once of its timeout, and its late answer still reaches it") {
    Asked fixture;
    fixture.post("late", 1000);
    fixture.post("patient", 2000);
    CHECK(fixture.requests.next_deadline() == 1000);
    fixture.requests.expire(1500);
    fixture.requests.expire(1600);
    CHECK(fixture.requests.next_deadline() == 2000);
    CHECK(fixture.requests.unanswered() == 2);
    fixture.answer(fixture.take());
    fixture.deliver();
    CHECK(fixture.heard == std::vector<std::string>{"late:" + std::string(kSilent), "late:done"});
}

TEST_CASE("a child that is known to be busy has more time, but not unlimited time") {
    Asked fixture;
    fixture.post("busy", 1000);
    const Grace grace{1200, 500};
    CHECK(fixture.requests.next_deadline(grace) == 1200);
    fixture.requests.expire(1199, grace);
    CHECK(fixture.heard.empty());
    const Grace more{9000, 500};
    CHECK(fixture.requests.next_deadline(more) == 1500);
    fixture.requests.expire(1499, more);
    CHECK(fixture.heard.empty());
    fixture.requests.expire(1500, more);
    CHECK(fixture.heard ==
          std::vector<std::string>{"busy:it is still loading code; raise WorkerOptions.start_timeout"});
}

TEST_CASE("a child that was busy has no less time than others") {
    Asked fixture;
    fixture.post("late", 1000);
    const Grace over{700, 500};
    CHECK(fixture.requests.next_deadline(over) == 1000);
    fixture.requests.expire(1000, over);
    CHECK(fixture.heard == std::vector<std::string>{"late:" + std::string(kSilent)});
}

TEST_CASE("an answer without a request is refused") {
    Asked fixture;
    const Message request = fixture.ask("only");
    fixture.answer(request);
    fixture.answer(request);
    fixture.deliver();
    CHECK(fixture.receive().error().code == Code::malformed);
    CHECK(fixture.heard == std::vector<std::string>{"only:done"});
}

TEST_CASE("an answer to another request than the pending one is refused") {
    const std::vector<std::function<void(MessageHeader&)>> lies{
        [](MessageHeader& header) { header.digest[31] = std::byte{1}; },
        [](MessageHeader& header) { header.op = static_cast<std::uint32_t>(Op::unregister_callable); },
        [](MessageHeader& header) { header.kind = 7; },
        [](MessageHeader& header) { header.argument = 7; },
        [](MessageHeader& header) { header.code = kCodes; },
    };
    for (const auto& lie : lies) {
        Asked fixture;
        Message request = fixture.ask("asked");
        lie(request.header);
        fixture.answer(request);
        CHECK(fixture.receive().error().code == Code::malformed);
        CHECK(fixture.heard.empty());
    }
}

TEST_CASE("a child's reason for a refusal is made well-formed text") {
    Asked fixture;
    Message request = fixture.ask("asked");
    request.header.code = static_cast<std::uint32_t>(Code::prepare_failed);
    REQUIRE(fixture.child.send(request.header, "no \xff", {}, now_ns() + kPatienceNs).ok());
    fixture.deliver();
    CHECK(fixture.heard == std::vector<std::string>{"asked:no ?"});
}

TEST_CASE("a request that cannot be sent to a living child fails with the reason") {
    Asked fixture;
    const std::array<int, 1> fds{-1};
    fixture.post("sent", kNever, fds);
    REQUIRE(fixture.heard.size() == 1);
    CHECK(fixture.heard[0].find("sendmsg") != std::string::npos);
    CHECK(fixture.requests.unanswered() == 0);
}

TEST_CASE("a child's death ends every pending and every later request") {
    Asked fixture;
    fixture.post("pending");
    fixture.requests.fail_all({Code::closed, "it died"});
    fixture.post("after");
    CHECK(fixture.heard == std::vector<std::string>{"pending:it died", "after:it died"});
    CHECK_FALSE(fixture.requests.next_deadline().has_value());
}

TEST_CASE("posting never blocks: requests that a child does not take wait in order, with their descriptors") {
    Asked fixture;
    auto payload = SealedPayload::create(std::as_bytes(std::span("payload", 7)));
    REQUIRE(payload.ok());
    const std::array<int, 1> fds{payload->fd()};
    constexpr int kMany = 2000;  // more than any socket buffer holds
    for (int i = 0; i < kMany; ++i) {
        fixture.post(std::to_string(i), kNever, fds);
    }
    CHECK(fixture.blocked == 1);
    CHECK_FALSE(fixture.requests.flush());
    for (int i = 0; i < kMany; ++i) {
        Message message = fixture.take();
        REQUIRE(message.body == std::to_string(i));
        REQUIRE(SealedPayload::adopt(message.take_fd(0)).ok());
        static_cast<void>(fixture.requests.flush());
    }
    CHECK(fixture.requests.flush());
}
