// Channel: one end of a control socket. Sends and receives whole messages with their descriptors.
// Guarantees: a message arrives completely or not at all; every received descriptor is close-on-exec and owned; one
// thread may send while another one receives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "control/message.h"

namespace callring {

struct Message {
    MessageHeader header;
    std::string body;
    std::vector<UniqueFd> fds;
    bool fds_lost = false;  // some descriptors are missing: this process had no free descriptors

    [[nodiscard]] Op op() const noexcept { return static_cast<Op>(header.op); }
    [[nodiscard]] Code code() const noexcept { return static_cast<Code>(header.code); }
    // Checks that its descriptors have arrived. Error: out_of_descriptors.
    [[nodiscard]] Result<void> check_fds() const;
    // Takes the descriptor at `index`; invalid if the message has none there.
    [[nodiscard]] UniqueFd take_fd(std::size_t index) {
        return index < fds.size() ? std::move(fds[index]) : UniqueFd();
    }
};

// Parses the bytes of one message, without its descriptors. Errors: malformed (not a control message), layout_mismatch.
[[nodiscard]] Result<Message> decode_message(std::span<const std::byte> bytes);

class Channel {
public:
    Channel() = default;
    explicit Channel(UniqueFd socket) noexcept : socket_(std::move(socket)) {}

    // A connected pair, both close-on-exec.
    static Result<std::pair<Channel, Channel>> pair();

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    void close() noexcept { socket_.reset(); }

    // Sends one message. Waits while the other end does not read, or the system has no memory for the message, until
    // `deadline_ns` (CLOCK_MONOTONIC). Errors: timeout, closed, io, invalid_argument (body or descriptors over the
    // limits of message.h).
    Result<void> send(const MessageHeader& header, std::string_view body, std::span<const int> fds,
                      std::uint64_t deadline_ns) const;

    // Receives one message without waiting; nullopt if there is none.
    // Errors: closed (end of file), malformed (not a control message), layout_mismatch, io.
    [[nodiscard]] Result<std::optional<Message>> try_receive() const;
    // Waits for one message until `deadline_ns`, or without a deadline. Errors: as try_receive(); timeout.
    [[nodiscard]] Result<Message> receive(std::optional<std::uint64_t> deadline_ns) const;

private:
    [[nodiscard]] Result<std::optional<Message>> receive_with(int flags) const;

    UniqueFd socket_;
};

// Milliseconds for poll(2) until `deadline_ns`, rounded up, at least 0; -1 for no deadline.
[[nodiscard]] int poll_timeout_ms(std::optional<std::uint64_t> deadline_ns) noexcept;

}  // namespace callring
