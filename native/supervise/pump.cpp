#include "supervise/pump.h"

#include <utility>

#include "control/payload.h"

namespace callring {

Result<std::string> payload_of(Message& message) {
    if (message.fds.empty()) {
        return std::move(message.body);
    }
    const auto payload = Payload::take(message);
    if (!payload) {
        return payload.error();
    }
    const auto bytes = payload->bytes();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<void> pump(Child& child, const std::function<bool(Message)>& hand_on) {
    for (;;) {
        auto received = child.requests->channel().try_receive();
        if (!received) {
            return std::move(received).error();
        }
        if (!*received) {
            return {};
        }
        Message& message = **received;
        if (message.op() == Op::result) {
            auto payload = payload_of(message);
            child.payloads[message.header.argument] = payload ? std::move(*payload) : std::string();
        } else if (!hand_on(std::move(message))) {
            return {};
        }
    }
}

std::string take_payload(Child& child, std::uint64_t sequence) {
    auto entry = child.payloads.find(sequence);
    if (entry == child.payloads.end() && child.requests) {
        // It was sent before the completion, so it is in the socket if the progress thread has not taken it yet.
        static_cast<void>(pump(child, [&](Message message) {
            child.answers.push_back(std::move(message));
            return true;
        }));
        entry = child.payloads.find(sequence);
    }
    if (entry == child.payloads.end()) {
        return {};
    }
    std::string payload = std::move(entry->second);
    child.payloads.erase(entry);
    return payload;
}

}  // namespace callring
