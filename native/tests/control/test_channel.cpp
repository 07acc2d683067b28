#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "common/clock.h"
#include "control/channel.h"

using namespace callring;

namespace {
constexpr std::uint64_t kSoonNs = 20'000'000;

MessageHeader numbered(Op op, std::uint64_t sequence) {
    MessageHeader header;
    header.op = static_cast<std::uint32_t>(op);
    header.sequence = sequence;
    return header;
}

std::pair<Channel, Channel> make_pair() {
    return std::move(Channel::pair()).value();
}
}  // namespace

TEST_CASE("a message arrives whole, with its body and its descriptors, which are close-on-exec") {
    auto [here, there] = make_pair();
    const UniqueFd memory(::memfd_create("sent", MFD_CLOEXEC));
    const std::array<int, 1> fds{memory.get()};
    REQUIRE(here.send(numbered(Op::register_callable, 9), "body", fds, now_ns() + kSoonNs).ok());
    auto received = there.receive(now_ns() + kSoonNs);
    REQUIRE(received.ok());
    CHECK(received->op() == Op::register_callable);
    CHECK(received->header.sequence == 9);
    CHECK(received->body == "body");
    const UniqueFd fd = received->take_fd(0);
    REQUIRE(fd.valid());
    CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_FALSE(received->take_fd(1).valid());
}

TEST_CASE("receiving without a message ends at the deadline") {
    auto [here, there] = make_pair();
    auto received = there.receive(now_ns() + 1'000'000);
    REQUIRE_FALSE(received.ok());
    CHECK(received.error().code == Code::timeout);
}

TEST_CASE("sending to an end that does not read ends at the deadline") {
    auto [here, there] = make_pair();
    const std::string body(kMaxMessageBody, 'x');
    Result<void> sent;
    for (int i = 0; i < 10'000 && sent.ok(); ++i) {
        sent = here.send(numbered(Op::take_trace, 0), body, {}, now_ns() + 1'000'000);
    }
    REQUIRE_FALSE(sent.ok());
    CHECK(sent.error().code == Code::timeout);
}

TEST_CASE("a closed other end is distinguished from silence") {
    auto [here, there] = make_pair();
    there.close();
    auto received = here.receive(std::nullopt);
    REQUIRE_FALSE(received.ok());
    CHECK(received.error().code == Code::closed);
    auto sent = here.send(numbered(Op::take_trace, 0), {}, {}, now_ns() + kSoonNs);
    REQUIRE_FALSE(sent.ok());
    CHECK(sent.error().code == Code::closed);
}

TEST_CASE("a message of another layout version, with another magic, or cut short is refused") {
    auto [here, there] = make_pair();
    MessageHeader header = numbered(Op::take_trace, 1);
    header.layout_version = 999;
    REQUIRE(::send(here.fd(), &header, sizeof header, 0) == sizeof header);
    CHECK(there.receive(now_ns() + kSoonNs).error().code == Code::layout_mismatch);
    header.magic = 1;
    REQUIRE(::send(here.fd(), &header, sizeof header, 0) == sizeof header);
    CHECK(there.receive(now_ns() + kSoonNs).error().code == Code::malformed);
    REQUIRE(::send(here.fd(), &header, 5, 0) == 5);
    CHECK(there.receive(now_ns() + kSoonNs).error().code == Code::malformed);
}

TEST_CASE("a body over the limit is refused before it is sent") {
    auto [here, there] = make_pair();
    const std::string body(kMaxMessageBody + 1, 'x');
    CHECK(here.send(numbered(Op::take_trace, 0), body, {}, now_ns() + kSoonNs).error().code == Code::invalid_argument);
}
