#include "supervise/pump.h"

#include <cstdio>
#include <utility>

#include "memory/sealed.h"

namespace callring {

namespace {

void keep_payload(Child& child, Message& message) {
    std::string payload = std::move(message.body);
    if (!message.fds.empty()) {
        auto sealed = SealedPayload::adopt(message.take_fd(0));
        if (sealed) {
            const auto bytes = sealed->bytes();
            payload.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        }
    }
    const std::lock_guard lock(child.payload_mutex);
    child.payloads[message.header.argument] = std::move(payload);
}

}  // namespace

Result<void> pump(Child& child, const std::function<void(Message&)>& on_notice) {
    const std::lock_guard receiving(child.receive_mutex);
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
            keep_payload(child, message);
        } else if (message.op() == Op::log) {
            std::fprintf(stderr, "[%s] %s\n", child.name().c_str(), message.body.c_str());
        } else if (message.op() == Op::child_exited) {
            if (on_notice) {
                on_notice(message);
            }
        } else {
            child.requests->deliver(std::move(message));
        }
    }
}

std::string take_payload(Child& child, std::uint64_t sequence) {
    for (int attempt = 0; attempt < 2; ++attempt) {
        {
            const std::lock_guard lock(child.payload_mutex);
            const auto entry = child.payloads.find(sequence);
            if (entry != child.payloads.end()) {
                std::string payload = std::move(entry->second);
                child.payloads.erase(entry);
                return payload;
            }
        }
        // It was sent before the completion, so it is in the socket if the progress thread has not taken it yet.
        static_cast<void>(pump(child));
    }
    return {};
}

}  // namespace callring
