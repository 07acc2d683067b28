#include "supervise/pump.h"

#include <algorithm>
#include <new>
#include <utility>

#include "control/payload.h"
#include "memory/reserve.h"

namespace callring {

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

namespace {

// Keeps the payload of a frame in flight; each has one at most.
Result<void> keep_payload(Child& child, Message& message) {
    const std::uint64_t sequence = message.header.argument;
    const auto frame =
        std::lower_bound(child.in_flight.begin(), child.in_flight.end(), sequence,
                         [](const TaskPtr& task, std::uint64_t wanted) { return task->sequence < wanted; });
    if (frame == child.in_flight.end() || (*frame)->sequence != sequence || child.payloads.contains(sequence)) {
        return Error{Code::malformed, "it sent a result that nothing waits for"};
    }
    if (child.kind == ChildKind::chip && (message.fds_lost || !message.fds.empty())) {
        return Error{Code::malformed, "a chip sent a descriptor"};
    }
    auto payload = payload_of(message);
    if (!payload && payload.error().code == Code::malformed) {
        return std::move(payload).error();
    }
    child.payloads.emplace(sequence, std::move(payload));
    return {};
}

}  // namespace

Result<void> pump(Child& child, const std::function<Result<bool>(Message)>& hand_on) {
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
            if (auto kept = keep_payload(child, message); !kept) {
                return kept;
            }
            continue;
        }
        auto more = hand_on(std::move(message));
        if (!more) {
            return std::move(more).error();
        }
        if (!*more) {
            return {};
        }
    }
}

Result<std::string> take_payload(Child& child, std::uint64_t sequence) {
    auto entry = child.payloads.find(sequence);
    if (entry == child.payloads.end() && child.requests) {
        // It was sent before the completion, so it is in the socket if the progress thread has not taken it yet.
        const auto pumped = pump(child, [&](Message message) -> Result<bool> {
            if (child.answers.size() >= child.requests->unanswered()) {
                return Error{Code::malformed, "it sent a message that nothing asked for"};
            }
            child.answers.push_back(std::move(message));
            return true;
        });
        if (!pumped && pumped.error().code != Code::closed) {
            return pumped.error();
        }
        entry = child.payloads.find(sequence);
    }
    if (entry == child.payloads.end()) {
        return Error{Code::malformed, "it announced a result and sent none"};
    }
    auto payload = std::move(entry->second);
    child.payloads.erase(entry);
    return payload;
}

}  // namespace callring
