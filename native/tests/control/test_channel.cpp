#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/system_error.h"
#include "control/channel.h"
#include "lane/layout.h"

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

std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* const folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) {
        ++count;
    }
    ::closedir(folder);
    return count;
}

// Sends `bytes` with `count` copies of `fd`, past all checks of Channel::send.
void send_raw(int socket, std::span<const std::byte> bytes, int fd, std::size_t count) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const std::vector<int> fds(count, fd);
    alignas(cmsghdr) std::array<char, CMSG_SPACE(64 * sizeof(int))> space{};
    if (count > 0) {
        message.msg_control = space.data();
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds.data(), count * sizeof(int));
    }
    REQUIRE(::sendmsg(socket, &message, 0) == static_cast<ssize_t>(bytes.size()));
}

std::vector<std::byte> bytes_of(const MessageHeader& header, std::string_view body) {
    std::vector<std::byte> bytes(sizeof header + body.size());
    std::memcpy(bytes.data(), &header, sizeof header);
    if (!body.empty()) {
        std::memcpy(bytes.data() + sizeof header, body.data(), body.size());
    }
    return bytes;
}

// A whole message as it travels.
std::vector<std::byte> wire_message(std::string_view body) {
    MessageHeader header = numbered(Op::take_trace, 1);
    header.layout_version = kLayoutVersion;
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    return bytes_of(header, body);
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

TEST_CASE("as many descriptors as a message may have arrive in their order, and more are not sent") {
    auto [here, there] = make_pair();
    std::vector<UniqueFd> files;
    std::vector<int> fds;
    for (std::size_t i = 0; i <= kMaxMessageFds; ++i) {
        files.emplace_back(::memfd_create("sent", MFD_CLOEXEC));
        REQUIRE(::ftruncate(files.back().get(), static_cast<off_t>(i)) == 0);
        fds.push_back(files.back().get());
    }
    CHECK(here.send(numbered(Op::start, 1), {}, fds, now_ns() + kSoonNs).error().code == Code::invalid_argument);
    for (std::size_t count = 0; count <= kMaxMessageFds; ++count) {
        CAPTURE(count);
        REQUIRE(here.send(numbered(Op::start, 1), {}, std::span(fds).first(count), now_ns() + kSoonNs).ok());
        auto received = there.receive(std::nullopt);
        REQUIRE(received.ok());
        REQUIRE(received->fds.size() == count);
        CHECK(received->check_fds().ok());
        for (std::size_t i = 0; i < count; ++i) {
            struct stat info{};
            REQUIRE(::fstat(received->fds[i].get(), &info) == 0);
            CHECK(info.st_size == static_cast<off_t>(i));
        }
    }
}

TEST_CASE("messages arrive one by one, each with its own body, also the empty ones and the largest") {
    auto [here, there] = make_pair();
    CHECK_FALSE(there.try_receive().value().has_value());
    std::vector<std::string> bodies;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMaxMessageBody, std::size_t{0}, std::size_t{500}}) {
        bodies.emplace_back(size, static_cast<char>('a' + bodies.size()));
        REQUIRE(here.send(numbered(Op::take_trace, bodies.size()), bodies.back(), {}, now_ns() + kSoonNs).ok());
    }
    for (std::size_t i = 0; i < bodies.size(); ++i) {
        const auto received = there.try_receive();
        REQUIRE(received.ok());
        REQUIRE(received->has_value());
        CHECK((*received)->header.sequence == i + 1);
        CHECK((*received)->body == bodies[i]);
    }
    CHECK_FALSE(there.try_receive().value().has_value());
}

TEST_CASE("messages that were sent before the other end was closed are received before its end is reported") {
    auto [here, there] = make_pair();
    REQUIRE(here.send(numbered(Op::take_trace, 1), "last", {}, now_ns() + kSoonNs).ok());
    here.close();
    CHECK(there.receive(std::nullopt)->body == "last");
    CHECK(there.receive(std::nullopt).error().code == Code::closed);
    CHECK(there.try_receive().error().code == Code::closed);
}

TEST_CASE("a message with more bytes or descriptors than the limits is refused, and its descriptors are closed") {
    auto [here, there] = make_pair();
    const UniqueFd file(::memfd_create("sent", MFD_CLOEXEC));
    const std::size_t before = open_descriptors();
    for (std::size_t count = kMaxMessageFds + 1; count < kMaxMessageFds + 5; ++count) {
        CAPTURE(count);
        send_raw(here.fd(), wire_message("body"), file.get(), count);
        CHECK(there.receive(std::nullopt).error().code == Code::malformed);
    }
    send_raw(here.fd(), wire_message(std::string(kMaxMessageBody + 1, 'x')), file.get(), 2);
    CHECK(there.receive(std::nullopt).error().code == Code::malformed);
    send_raw(here.fd(), std::array<std::byte, 9>{}, file.get(), 3);  // no message at all
    CHECK(there.receive(std::nullopt).error().code == Code::malformed);
    CHECK(open_descriptors() == before);
    send_raw(here.fd(), wire_message("good"), file.get(), kMaxMessageFds);
    CHECK(there.receive(std::nullopt)->body == "good");
}

TEST_CASE("a process that has no free descriptors receives the message, and knows that its descriptors are lost") {
    auto [here, there] = make_pair();
    const UniqueFd file(::memfd_create("sent", MFD_CLOEXEC));
    const std::array<int, 2> fds{file.get(), file.get()};
    REQUIRE(here.send(numbered(Op::map_arena, 1), "body", fds, now_ns() + kSoonNs).ok());
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int lowest_free = UniqueFd::copy_of(file.get()).get();
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(lowest_free);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    auto received = there.receive(std::nullopt);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE(received.ok());
    CHECK(received->body == "body");
    CHECK(received->fds.empty());
    const auto checked = received->check_fds();
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().code == Code::out_of_descriptors);
    CHECK(checked.error().message.find(kMoreDescriptors) != std::string::npos);
}

TEST_CASE("both ends send and receive at the same time, and no message is lost, mixed or changed") {
    auto ends = make_pair();
    constexpr std::uint64_t kMessages = 3000;
    const auto body_of = [](std::uint64_t number) {
        return std::string(number * 37 % 2000, static_cast<char>('a' + (number % 26)));
    };
    std::vector<std::thread> threads;
    std::array<std::uint64_t, 2> received{};
    for (std::size_t end = 0; end < 2; ++end) {
        const Channel& channel = end == 0 ? ends.first : ends.second;
        threads.emplace_back([&] {
            for (std::uint64_t i = 0; i < kMessages; ++i) {
                if (!channel.send(numbered(Op::take_trace, i), body_of(i), {}, UINT64_MAX)) {
                    return;
                }
            }
        });
        threads.emplace_back([&, end] {
            for (std::uint64_t i = 0; i < kMessages; ++i) {
                const auto message = channel.receive(std::nullopt);
                if (!message || message->header.sequence != i || message->body != body_of(i)) {
                    return;
                }
                ++received.at(end);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(received[0] == kMessages);
    CHECK(received[1] == kMessages);
}

TEST_CASE("the error for another layout version names both versions") {
    auto bytes = wire_message("");
    const std::uint32_t other = kLayoutVersion + 1;
    std::memcpy(bytes.data() + offsetof(MessageHeader, layout_version), &other, sizeof other);
    const auto decoded = decode_message(bytes);
    REQUIRE_FALSE(decoded.ok());
    CHECK(decoded.error().code == Code::layout_mismatch);
    CHECK(decoded.error().message == "the other end has layout version " + std::to_string(other) + ", this end has " +
                                         std::to_string(kLayoutVersion));
}

TEST_CASE("of damaged messages exactly those are read whose magic, version and length are right") {
    std::mt19937 random(1);
    int read = 0;
    for (int round = 0; round < 20'000; ++round) {
        const std::string body(random() % 40, 'b');
        auto bytes = wire_message(body);
        for (std::size_t changes = random() % 2; changes > 0; --changes) {
            bytes[random() % bytes.size()] ^= static_cast<std::byte>(1U << random() % 8);
        }
        if (random() % 4 == 0) {
            bytes.resize(random() % (bytes.size() + 20));
        }
        MessageHeader header;
        const bool has_header = bytes.size() >= sizeof header;
        std::memcpy(&header, bytes.data(), std::min(sizeof header, bytes.size()));
        const bool fits = has_header && header.magic == 0x43524C43 && header.layout_version == kLayoutVersion &&
                          header.body_bytes + sizeof header == bytes.size();
        const auto decoded = decode_message(bytes);
        REQUIRE(decoded.ok() == fits);
        if (fits) {
            ++read;
            REQUIRE(bytes_of(decoded->header, decoded->body) == bytes);
            REQUIRE(decoded->fds.empty());
        } else {
            const bool other_version =
                has_header && header.magic == 0x43524C43 && header.layout_version != kLayoutVersion;
            REQUIRE(decoded.error().code == (other_version ? Code::layout_mismatch : Code::malformed));
        }
    }
    CHECK(read > 1000);
}

TEST_CASE("a time limit for poll() is rounded up to milliseconds, and bounded") {
    CHECK(poll_timeout_ms(std::nullopt) == -1);
    CHECK(poll_timeout_ms(0) == 0);
    CHECK(poll_timeout_ms(now_ns()) == 0);
    CHECK(poll_timeout_ms(UINT64_MAX) == 3'600'000);
    const std::uint64_t hour_hence = now_ns() + UINT64_C(3'000'000'000'000);
    const int timeout = poll_timeout_ms(hour_hence);
    const std::uint64_t now = now_ns();
    CHECK(static_cast<std::uint64_t>(timeout) * 1'000'000 >=
          hour_hence - now);  // a poll of this length is not too short
    CHECK(timeout <= 3'000'000);
}
