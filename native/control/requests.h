// Requests: what was asked of one child over its channel and not answered yet.
// Guarantees: every wait ends by the answer, the deadline, or the child's death; a late answer is recognised by its
// sequence number and dropped, and the channel stays usable. No lock is held while somebody waits for a child.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "common/result.h"
#include "control/channel.h"

namespace callring {

class Requests {
public:
    explicit Requests(Channel channel) : channel_(std::move(channel)) {}

    [[nodiscard]] const Channel& channel() const noexcept { return channel_; }

    // Sends `header` (op and fields set by the caller) under a new sequence number, which it returns.
    Result<std::uint64_t> ask(MessageHeader header, std::string_view body, std::span<const int> fds,
                              std::uint64_t deadline_ns);
    // Sends `header` without waiting for an answer; an answer is dropped as if it were late.
    Result<void> tell(MessageHeader header, std::string_view body, std::span<const int> fds, std::uint64_t deadline_ns);
    // Waits for the answer to `sequence`. Errors: timeout; whatever fail_all() said.
    Result<Message> wait(std::uint64_t sequence, std::uint64_t deadline_ns);

    // Hands in an answer that was received. False: nobody waits for it any more.
    bool deliver(Message message);
    // The child is gone: every pending and future request ends with `error`.
    void fail_all(const Error& error);

private:
    Channel channel_;
    std::mutex send_mutex_;  // keeps messages of several threads apart; never held while waiting for an answer
    std::mutex mutex_;
    std::condition_variable answered_;
    std::uint64_t next_sequence_ = 1;
    std::unordered_map<std::uint64_t, std::optional<Message>> pending_;
    std::optional<Error> failed_;
};

}  // namespace callring
