#include "control/requests.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace callring {

void Requests::post(MessageHeader header, std::string_view body, std::span<const int> fds, std::uint64_t deadline_ns,
                    OnAnswer on_answer) {
    if (failed_) {
        Result<Message> error = *failed_;
        on_answer(error);
        return;
    }
    header.sequence = next_sequence_++;
    pending_.emplace(header.sequence, Pending{deadline_ns, false, std::move(on_answer)});
    next_deadline_ = std::min(next_deadline_.value_or(deadline_ns), deadline_ns);
    send(header, body, fds);
}

void Requests::tell(MessageHeader header, std::string_view body) {
    header.sequence = next_sequence_++;
    send(header, body, {});
}

void Requests::send(const MessageHeader& header, std::string_view body, std::span<const int> fds) {
    if (unsent_.empty()) {
        // A deadline in the past: send() returns at once.
        const auto sent = channel_.send(header, body, fds, 0);
        if (sent || sent.error().code != Code::timeout) {
            return;  // an error of the socket: the child is gone, and its end will tell every request
        }
    }
    Unsent message{header, std::string(body), {}};
    for (const int fd : fds) {
        message.fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    }
    unsent_.push_back(std::move(message));
    if (unsent_.size() == 1) {
        on_blocked_();
    }
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
        unsent_.pop_front();
    }
    return true;
}

void Requests::deliver(Message message) {
    const auto entry = pending_.find(message.header.sequence);
    if (entry == pending_.end()) {
        return;
    }
    const OnAnswer on_answer = std::move(entry->second.on_answer);
    pending_.erase(entry);
    Result<Message> answer = std::move(message);
    on_answer(answer);
}

void Requests::expire(std::uint64_t now_ns) {
    std::vector<std::uint64_t> expired;
    next_deadline_.reset();
    for (auto& [sequence, pending] : pending_) {
        if (pending.late) {
            continue;
        }
        if (pending.deadline_ns <= now_ns) {
            pending.late = true;
            expired.push_back(sequence);
        } else {
            next_deadline_ = std::min(next_deadline_.value_or(pending.deadline_ns), pending.deadline_ns);
        }
    }
    for (const std::uint64_t sequence : expired) {
        if (const auto entry = pending_.find(sequence); entry != pending_.end()) {
            // In place: it remembers that it was told. Posting more keeps references into the map valid.
            Result<Message> error = Error{Code::timeout, "no answer within the control timeout"};
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
        Result<Message> answer = error;
        request.on_answer(answer);
    }
}

}  // namespace callring
