#include "control/payload.h"

#include <new>
#include <utility>

#include "memory/reserve.h"

namespace callring {

Result<Payload> Payload::create(std::span<const std::byte> bytes) {
    if (bytes.size() <= kMaxMessageBody) {
        return Payload(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    }
    auto sealed = SealedPayload::create(bytes);
    if (!sealed) {
        return std::move(sealed).error();
    }
    return Payload(std::move(sealed).value());
}

Result<Payload> Payload::take(Message& message) {
    if (message.fds.empty() && !message.fds_lost) {
        return Payload(std::move(message.body));
    }
    if (auto arrived = message.check_fds(); !arrived) {
        return std::move(arrived).error();
    }
    auto sealed = SealedPayload::adopt(message.take_fd(0));
    if (!sealed) {
        return std::move(sealed).error();
    }
    return Payload(std::move(sealed).value());
}

Result<std::string> payload_of(Message& message) {
    if (message.fds.empty() && !message.fds_lost) {
        return std::move(message.body);
    }
    const auto payload = Payload::take(message);
    if (!payload) {
        return payload.error();
    }
    const auto bytes = payload->bytes();
    try {
        const SparesReserve spares;
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    } catch (const std::bad_alloc&) {
        return Error{Code::out_of_memory, "its parent has no memory for " + std::to_string(bytes.size()) + " bytes"};
    }
}

}  // namespace callring
