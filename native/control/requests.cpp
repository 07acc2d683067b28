#include "control/requests.h"

#include <algorithm>
#include <utility>

#include "common/system_error.h"
#include "common/utf8.h"

namespace callring {

void Requests::post(MessageHeader header, std::string_view body, std::span<const int> fds, std::uint64_t deadline_ns,
                    OnAnswer on_answer) {
    if (refuse(on_answer)) {
        return;
    }
    header.sequence = next_sequence_++;
    add(header.sequence, {deadline_ns, false, std::move(on_answer), nullptr, header});
    if (auto sent = send(header, body, fds); !sent) {
        const auto entry = pending_.extract(header.sequence);
        Result<Message> error = std::move(sent).error();
        entry.mapped().on_answer(error);
    }
}

void Requests::expect(Broadcast& from, std::uint32_t place, const MessageHeader& header, std::uint64_t deadline_ns,
                      OnAnswer on_answer) {
    if (refuse(on_answer)) {
        return;
    }
    add(from.address(place), {deadline_ns, false, std::move(on_answer), &from, header});
}

bool Requests::refuse(const OnAnswer& on_answer) const {
    if (failed_) {
        Result<Message> error = *failed_;
        on_answer(error);
    }
    return failed_.has_value();
}

void Requests::add(std::uint64_t sequence, Pending pending) {
    next_deadline_ = std::min(next_deadline_.value_or(pending.deadline_ns), pending.deadline_ns);
    pending_.emplace(sequence, std::move(pending));
}

void Requests::tell(MessageHeader header, std::string_view body) {
    header.sequence = next_sequence_++;
    static_cast<void>(send(header, body, {}));
}

Result<void> Requests::send(const MessageHeader& header, std::string_view body, std::span<const int> fds) {
    if (unsent_.empty()) {
        // A deadline in the past: send() returns at once.
        auto sent = channel_.send(header, body, fds, 0);
        if (sent || sent.error().code == Code::closed) {
            return {};  // the child has ended, and its end will fail every request
        }
        if (sent.error().code != Code::timeout) {
            return sent;
        }
    }
    Unsent message{header, std::string(body), {}};
    for (const int fd : fds) {
        message.fds.push_back(UniqueFd::copy_of(fd));
        if (!message.fds.back().valid()) {
            return system_error("fcntl(F_DUPFD_CLOEXEC)");
        }
    }
    unsent_.push_back(std::move(message));
    if (unsent_.size() == 1) {
        on_blocked_();
    }
    return {};
}

bool Requests::flush() {
    while (!unsent_.empty()) {
        const Unsent& message = unsent_.front();
        std::vector<int> fds;
        fds.reserve(message.fds.size());
        for (const UniqueFd& fd : message.fds) {
            fds.push_back(fd.get());
        }
        const auto sent = channel_.send(message.header, message.body, fds, 0);
        if (!sent && sent.error().code == Code::timeout) {
            return false;
        }
        const std::uint64_t sequence = message.header.sequence;
        unsent_.pop_front();
        if (const auto entry = pending_.find(sequence);
            !sent && sent.error().code != Code::closed && entry != pending_.end()) {
            const auto taken = pending_.extract(entry);
            Result<Message> error = sent.error();
            taken.mapped().on_answer(error);
        }
    }
    return true;
}

Result<void> Requests::deliver(Message message) {
    const auto entry = pending_.find(message.header.sequence);
    if (entry == pending_.end()) {
        return Error{Code::malformed, "it sent a message that answers no request"};
    }
    const MessageHeader& asked = entry->second.asked;
    const MessageHeader& told = message.header;
    if (told.op != asked.op || told.argument != asked.argument || told.kind != asked.kind ||
        told.digest != asked.digest) {
        return Error{Code::malformed, "its answer does not match the request"};
    }
    if (told.code >= kCodes) {
        return Error{Code::malformed, "it answered with an unknown code"};
    }
    if (message.code() != Code::ok) {
        make_utf8(message.body);
    }
    const Pending pending = std::move(entry->second);
    const std::uint64_t sequence = entry->first;
    pending_.erase(entry);
    end(sequence, pending, std::move(message));
    return {};
}

void Requests::end(std::uint64_t sequence, const Pending& pending, Result<Message> answer) {
    if (pending.from != nullptr) {
        pending.from->heard(sequence);
    }
    pending.on_answer(answer);
}

void Requests::expire(std::uint64_t now_ns, const Grace& grace) {
    std::vector<std::uint64_t> expired;
    next_deadline_.reset();
    for (auto& [sequence, pending] : pending_) {
        if (pending.late) {
            continue;
        }
        if (grace.extend(pending.deadline_ns) <= now_ns) {
            pending.late = true;
            expired.push_back(sequence);
        } else {
            next_deadline_ = std::min(next_deadline_.value_or(pending.deadline_ns), pending.deadline_ns);
        }
    }
    for (const std::uint64_t sequence : expired) {
        if (const auto entry = pending_.find(sequence); entry != pending_.end()) {
            // Called in the map, not as a copy: the callback records that it was called. References into the map stay
            // valid when the callback posts more requests.
            Result<Message> error =
                Error{Code::timeout, grace.until_ns > now_ns
                                         ? "it is still loading code; raise WorkerOptions.start_timeout"
                                         : "it did not answer control requests within the control timeout"};
            entry->second.on_answer(error);
        }
    }
}

void Requests::fail_all(const Error& error) {
    failed_ = error;
    next_deadline_.reset();
    unsent_.clear();
    const auto pending = std::exchange(pending_, {});
    for (const auto& [sequence, request] : pending) {
        end(sequence, request, error);
    }
}

}  // namespace callring
