#include "control/channel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/clock.h"
#include "common/system_calls.h"
#include "common/system_error.h"
#include "common/tuning.h"
#include "lane/layout.h"

namespace callring {

namespace {

Error socket_error(const char* call) {
    if (errno == EPIPE || errno == ECONNRESET) {
        return {Code::closed, "the other end of the control socket was closed"};
    }
    return system_error(call);
}

// Waits until the socket is ready for `events`; false when the deadline passed first.
Result<bool> wait_ready(int fd, short events, std::optional<std::uint64_t> deadline_ns) {
    for (;;) {
        pollfd entry{fd, events, 0};
        const int ready = sys::poll(&entry, 1, poll_timeout_ms(deadline_ns));
        if (ready > 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return socket_error("poll");
        }
        if (ready == 0 && deadline_ns && now_ns() >= *deadline_ns) {
            return false;
        }
    }
}

std::vector<UniqueFd> take_descriptors(const msghdr& message) {
    std::vector<UniqueFd> fds;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(const_cast<msghdr*>(&message), part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + (i * sizeof(int)), sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

}  // namespace

Result<void> Message::check_fds() const {
    if (fds_lost) {
        return Error{Code::out_of_descriptors, std::string("no descriptors are left; ") + kMoreDescriptors};
    }
    return {};
}

Result<Message> decode_message(std::span<const std::byte> bytes) {
    Message message;
    if (bytes.size() < sizeof(MessageHeader)) {
        return Error{Code::malformed, "control message is shorter than its header"};
    }
    std::memcpy(&message.header, bytes.data(), sizeof(MessageHeader));
    if (message.header.magic != kControlMagic) {
        return Error{Code::malformed, "not a control message"};
    }
    if (message.header.layout_version != kLayoutVersion) {
        return Error{Code::layout_mismatch, "the other end has layout version " +
                                                std::to_string(message.header.layout_version) + ", this end has " +
                                                std::to_string(kLayoutVersion)};
    }
    if (message.header.body_bytes != bytes.size() - sizeof(MessageHeader)) {
        return Error{Code::malformed, "control message length contradicts its header"};
    }
    message.body.assign(reinterpret_cast<const char*>(bytes.data()) + sizeof(MessageHeader), message.header.body_bytes);
    return message;
}

int poll_timeout_ms(std::optional<std::uint64_t> deadline_ns) noexcept {
    if (!deadline_ns) {
        return -1;
    }
    const std::uint64_t now = now_ns();
    if (*deadline_ns <= now) {
        return 0;
    }
    return static_cast<int>(std::min<std::uint64_t>((*deadline_ns - now + 999'999) / 1'000'000, 3'600'000));
}

Result<std::pair<Channel, Channel>> Channel::pair() {
    std::array<int, 2> sockets{};
    if (sys::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
        return socket_error("socketpair");
    }
    return std::pair{Channel(UniqueFd(sockets[0])), Channel(UniqueFd(sockets[1]))};
}

Result<void> Channel::send(const MessageHeader& header, std::string_view body, std::span<const int> fds,
                           std::uint64_t deadline_ns) const {
    if (body.size() > kMaxMessageBody || fds.size() > kMaxMessageFds) {
        return Error{Code::invalid_argument, "control message over its limits"};
    }
    MessageHeader sent = header;
    sent.layout_version = kLayoutVersion;
    sent.body_bytes = static_cast<std::uint32_t>(body.size());
    std::array<iovec, 2> parts{{{&sent, sizeof sent}, {const_cast<char*>(body.data()), body.size()}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxMessageFds * sizeof(int))> space{};
    if (!fds.empty()) {
        message.msg_control = space.data();
        message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
        cmsghdr* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(part), fds.data(), fds.size() * sizeof(int));
    }
    for (;;) {
        if (sys::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return {};
        }
        if (errno == EINTR) {
            continue;
        }
        const bool short_of_memory = errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS;
        if (short_of_memory && now_ns() < deadline_ns) {
            sys::poll(nullptr, 0, tuning::kRetryPauseMs);
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return socket_error("sendmsg");
        }
        auto ready = wait_ready(fd(), POLLOUT, deadline_ns);
        if (!ready) {
            return std::move(ready).error();
        }
        if (!*ready) {
            return Error{Code::timeout, "the child does not read its control socket"};
        }
    }
}

Result<std::optional<Message>> Channel::try_receive() const {
    return receive_with(MSG_DONTWAIT);
}

Result<std::optional<Message>> Channel::receive_with(int flags) const {
    std::array<std::byte, sizeof(MessageHeader) + kMaxMessageBody> buffer;  // NOLINT(*-member-init): written by recvmsg
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxMessageFds * sizeof(int))> space{};
    for (;;) {
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = space.data();
        message.msg_controllen = space.size();
        const ssize_t received = sys::recvmsg(fd(), &message, flags | MSG_CMSG_CLOEXEC);
        if (received < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                return std::optional<Message>{};
            }
            return socket_error("recvmsg");
        }
        std::vector<UniqueFd> fds = take_descriptors(message);
        if (received == 0) {
            return Error{Code::closed, "the other end closed the control socket"};
        }
        // The sender is at fault for cut-off descriptors only if it sent too many. The space for them, which is
        // aligned, may have room for one more than the limit.
        const bool fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
        if ((message.msg_flags & MSG_TRUNC) != 0 || fds.size() > kMaxMessageFds ||
            (fds_lost && fds.size() == kMaxMessageFds)) {
            return Error{Code::malformed, "control message over its limits"};
        }
        auto decoded = decode_message({buffer.data(), static_cast<std::size_t>(received)});
        if (!decoded) {
            return std::move(decoded).error();
        }
        decoded->fds = std::move(fds);
        decoded->fds_lost = fds_lost;
        return std::optional<Message>(std::move(decoded).value());
    }
}

Result<Message> Channel::receive(std::optional<std::uint64_t> deadline_ns) const {
    for (;;) {
        auto received = receive_with(deadline_ns ? MSG_DONTWAIT : 0);
        if (!received) {
            return std::move(received).error();
        }
        if (*received) {
            return std::move(**received);
        }
        auto ready = wait_ready(fd(), POLLIN, deadline_ns);
        if (!ready) {
            return std::move(ready).error();
        }
        if (!*ready) {
            return Error{Code::timeout, "no control message in time"};
        }
    }
}

}  // namespace callring
