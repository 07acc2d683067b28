// Payload: bytes beside a control message, in its body or in sealed memory.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "control/payload.h"

using namespace callring;

namespace {

// What arrives when `payload` was sent.
Message sent(const Payload& payload) {
    auto [here, there] = std::move(Channel::pair()).value();
    REQUIRE(here.send(header_of(Op::register_callable), payload.body(), payload.fds(), UINT64_MAX).ok());
    return std::move(there.receive(std::nullopt)).value();
}

}  // namespace

TEST_CASE("a payload arrives unchanged, in the message or, if it does not fit, behind a descriptor") {
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, kMaxMessageBody, kMaxMessageBody + 1, 10 * kMaxMessageBody}) {
        CAPTURE(bytes);
        std::vector<std::byte> original(bytes);
        for (std::size_t i = 0; i < bytes; ++i) {
            original[i] = static_cast<std::byte>(i * 7);
        }
        const auto payload = Payload::create(original);
        REQUIRE(payload.ok());
        CHECK(payload->fds().size() == (bytes > kMaxMessageBody ? 1 : 0));
        CHECK((payload->body().empty() || payload->fds().empty()));
        CHECK(std::equal(original.begin(), original.end(), payload->bytes().begin(), payload->bytes().end()));
        Message message = sent(*payload);
        const auto taken = Payload::take(message);
        REQUIRE(taken.ok());
        CHECK(std::equal(original.begin(), original.end(), taken->bytes().begin(), taken->bytes().end()));
        Message again = sent(*payload);
        const auto text = payload_of(again);
        REQUIRE(text.ok());
        CHECK(std::equal(original.begin(), original.end(), std::as_bytes(std::span(*text)).begin(),
                         std::as_bytes(std::span(*text)).end()));
    }
}

TEST_CASE("a payload whose descriptor is no sealed memory is refused") {
    auto [here, there] = std::move(Channel::pair()).value();
    const UniqueFd open(::memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const std::array<int, 1> fds{open.get()};
    REQUIRE(here.send(header_of(Op::register_callable), {}, fds, UINT64_MAX).ok());
    auto message = std::move(there.receive(std::nullopt)).value();
    CHECK(Payload::take(message).error().code == Code::malformed);
}

TEST_CASE("a payload whose descriptor did not arrive is refused with that reason, and not taken for empty") {
    Message message;
    message.fds_lost = true;
    CHECK(Payload::take(message).error().code == Code::out_of_descriptors);
    CHECK(payload_of(message).error().code == Code::out_of_descriptors);
}

TEST_CASE("a sender cannot change a payload after sending it") {
    const std::vector<std::byte> large(kMaxMessageBody + 1, std::byte{1});
    const auto payload = std::move(Payload::create(large)).value();
    const int fd = payload.fds().front();
    CHECK(::pwrite(fd, "x", 1, 0) == -1);
    CHECK(::ftruncate(fd, 1) == -1);
    CHECK(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
}

TEST_CASE("a payload in memory that lacks any one of the four seals is refused") {
    constexpr std::array<int, 4> kSeals{F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_SEAL};
    for (std::size_t missing = 0; missing <= kSeals.size(); ++missing) {
        CAPTURE(missing);
        Message message;
        message.fds.emplace_back(::memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        REQUIRE(::pwrite(message.fds[0].get(), "bytes", 5, 0) == 5);
        int seals = 0;
        for (std::size_t i = 0; i < kSeals.size(); ++i) {
            seals |= i == missing ? 0 : kSeals.at(i);
        }
        REQUIRE(::fcntl(message.fds[0].get(), F_ADD_SEALS, seals) == 0);
        const auto taken = Payload::take(message);
        CHECK(taken.ok() == (missing == kSeals.size()));
        if (taken) {
            CHECK(taken->bytes().size() == 5);
        } else {
            CHECK(taken.error().code == Code::malformed);
        }
    }
}

TEST_CASE("a payload behind a descriptor is used, and not a body beside it") {
    const std::vector<std::byte> large(kMaxMessageBody + 1, std::byte{1});
    const auto payload = std::move(Payload::create(large)).value();
    Message message = sent(payload);
    message.body = "a body";
    const auto taken = payload_of(message);
    REQUIRE(taken.ok());
    CHECK(taken->size() == large.size());
}

TEST_CASE("a payload outlives its sender, whose memory is not copied") {
    const std::vector<std::byte> large(5 * kMaxMessageBody, std::byte{3});
    Message message;
    {
        const auto payload = std::move(Payload::create(large)).value();
        message = sent(payload);
    }
    const auto taken = Payload::take(message);
    REQUIRE(taken.ok());
    CHECK(std::ranges::equal(taken->bytes(), large));
    CHECK_FALSE(message.take_fd(0).valid());  // the payload has it
}
