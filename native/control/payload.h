// Payload: bytes that travel with a control message: in its body if they fit, else in sealed shared memory, by a
// descriptor. Guarantee: the receiver's bytes cannot be changed, neither before nor after they were checked.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"
#include "control/channel.h"
#include "memory/sealed.h"

namespace callring {

// A copy of the payload of `message`. Errors: as Payload::take; out_of_memory.
[[nodiscard]] Result<std::string> payload_of(Message& message);

class Payload {
public:
    // Copies `bytes`. Errors: as SealedPayload::create.
    static Result<Payload> create(std::span<const std::byte> bytes);
    // Takes the payload of `message`. Errors: as Message::check_fds and SealedPayload::adopt.
    static Result<Payload> take(Message& message);

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return sealed_ ? sealed_->bytes() : std::as_bytes(std::span(body_));
    }
    // The body and the descriptors to send, one of them empty.
    [[nodiscard]] std::string_view body() const noexcept { return body_; }
    [[nodiscard]] std::span<const int> fds() const noexcept { return {fds_.data(), sealed_ ? fds_.size() : 0}; }

private:
    explicit Payload(std::string body) noexcept : body_(std::move(body)) {}
    explicit Payload(SealedPayload sealed) noexcept : sealed_(std::move(sealed)), fds_{sealed_->fd()} {}

    std::string body_;
    std::optional<SealedPayload> sealed_;
    std::array<int, 1> fds_{};
};

}  // namespace callring
