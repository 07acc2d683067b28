// Requests: the requests to one child over its channel that are not answered yet.
// Guarantees: posting never blocks and keeps the order of its calls; every request ends with its answer, a timeout, or
// the child's end; an answer after the timeout is still matched by its sequence number; an answer that matches no
// request is refused. Not thread-safe: the engine's lock orders all calls.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/broadcast.h"
#include "control/channel.h"

namespace callring {

// More time for a child that is known to be busy: no request times out before `until_ns`, unless its timeout is more
// than `most_ns` ago.
struct Grace {
    std::uint64_t until_ns = 0;
    std::uint64_t most_ns = 0;

    [[nodiscard]] std::uint64_t extend(std::uint64_t deadline_ns) const noexcept {
        const std::uint64_t latest = deadline_ns < UINT64_MAX - most_ns ? deadline_ns + most_ns : UINT64_MAX;
        return std::min(latest, std::max(deadline_ns, until_ns));
    }
};

class Requests {
public:
    // Called with the answer, whose code is a Code; its body is text in UTF-8 unless the code is ok. May be called once
    // before that with the error `timeout`. Instead of the answer, it may be called with the error of fail_all(), or
    // with the error of sending. It may post more requests.
    using OnAnswer = std::function<void(Result<Message>& answer)>;

    // `on_blocked` is called when the socket is full and a message must wait: call flush() when it is writable again.
    Requests(Channel channel, std::function<void()> on_blocked)
        : channel_(std::move(channel)), on_blocked_(std::move(on_blocked)) {}

    [[nodiscard]] const Channel& channel() const noexcept { return channel_; }

    // Sends `header` (op and fields set by the caller) under a new sequence number.
    void post(MessageHeader header, std::string_view body, std::span<const int> fds, std::uint64_t deadline_ns,
              OnAnswer on_answer);
    // Adds a request that the current notice of `from` (which outlives this) sends; this child has `place` in its
    // audience.
    void expect(Broadcast& from, std::uint32_t place, const MessageHeader& header, std::uint64_t deadline_ns,
                OnAnswer on_answer);
    // Sends `header`, a request that has no answer.
    void tell(MessageHeader header, std::string_view body);
    // Sends the waiting messages. True: no message waits any more.
    bool flush();

    // Processes a received message. Error: malformed, if it does not match a request.
    Result<void> deliver(Message message);
    // Passes the error `timeout` to each request whose time is up.
    void expire(std::uint64_t now_ns, const Grace& grace = {});
    // The earliest possible timeout; none if no request can time out.
    [[nodiscard]] std::optional<std::uint64_t> next_deadline(const Grace& grace = {}) const noexcept {
        return next_deadline_ ? std::optional(grace.extend(*next_deadline_)) : std::nullopt;
    }
    // Called when the child has ended: every pending and future request fails with `error`.
    void fail_all(const Error& error);
    // Number of requests without an answer, including late ones.
    [[nodiscard]] std::size_t unanswered() const noexcept { return pending_.size(); }

private:
    struct Pending {
        std::uint64_t deadline_ns;
        bool late;
        OnAnswer on_answer;
        Broadcast* from;  // whose notice sent the request; null: it was sent as a message
        MessageHeader asked;
    };
    struct Unsent {
        MessageHeader header;
        std::string body;
        std::vector<UniqueFd> fds;
    };
    // Whether the child has ended. If so, calls `on_answer` with the error.
    bool refuse(const OnAnswer& on_answer) const;
    void add(std::uint64_t sequence, Pending pending);
    // Error: the message was not sent and never will be, though the child still runs.
    Result<void> send(const MessageHeader& header, std::string_view body, std::span<const int> fds);
    static void end(std::uint64_t sequence, const Pending& pending, Result<Message> answer);

    Channel channel_;
    std::function<void()> on_blocked_;
    std::deque<Unsent> unsent_;
    std::uint64_t next_sequence_ = 1;
    std::unordered_map<std::uint64_t, Pending> pending_;
    std::optional<std::uint64_t> next_deadline_;  // a lower bound; exact after expire()
    std::optional<Error> failed_;
};

}  // namespace callring
