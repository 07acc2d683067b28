#include "control/requests.h"

#include <chrono>

#include "common/clock.h"

namespace callring {

Result<std::uint64_t> Requests::ask(MessageHeader header, std::string_view body, std::span<const int> fds,
                                    std::uint64_t deadline_ns) {
    {
        const std::lock_guard lock(mutex_);
        if (failed_) {
            return *failed_;
        }
        header.sequence = next_sequence_++;
        pending_.emplace(header.sequence, std::nullopt);
    }
    const std::lock_guard sending(send_mutex_);
    auto sent = channel_.send(header, body, fds, deadline_ns);
    if (!sent) {
        const std::lock_guard lock(mutex_);
        pending_.erase(header.sequence);
        return std::move(sent).error();
    }
    return header.sequence;
}

Result<void> Requests::tell(MessageHeader header, std::string_view body, std::span<const int> fds,
                            std::uint64_t deadline_ns) {
    {
        const std::lock_guard lock(mutex_);
        if (failed_) {
            return *failed_;
        }
        header.sequence = next_sequence_++;
    }
    const std::lock_guard sending(send_mutex_);
    return channel_.send(header, body, fds, deadline_ns);
}

Result<Message> Requests::wait(std::uint64_t sequence, std::uint64_t deadline_ns) {
    std::unique_lock lock(mutex_);
    const std::uint64_t now = now_ns();
    const auto left = std::chrono::nanoseconds(deadline_ns > now ? deadline_ns - now : 0);
    const auto limit = std::chrono::steady_clock::now() + left;
    for (;;) {
        const auto entry = pending_.find(sequence);
        if (entry == pending_.end()) {
            return Error{Code::invalid_argument, "no such request"};
        }
        if (entry->second) {
            Message message = std::move(*entry->second);
            pending_.erase(entry);
            return message;
        }
        if (failed_) {
            pending_.erase(entry);
            return *failed_;
        }
        if (answered_.wait_until(lock, limit) == std::cv_status::timeout && !pending_.at(sequence) && !failed_) {
            pending_.erase(sequence);
            return Error{Code::timeout, "no answer within the control timeout"};
        }
    }
}

bool Requests::deliver(Message message) {
    const std::lock_guard lock(mutex_);
    const auto entry = pending_.find(message.header.sequence);
    if (entry == pending_.end()) {
        return false;
    }
    entry->second = std::move(message);
    answered_.notify_all();
    return true;
}

void Requests::fail_all(const Error& error) {
    const std::lock_guard lock(mutex_);
    failed_ = error;
    answered_.notify_all();
}

}  // namespace callring
