// Requests: what was asked of one child over its channel and not answered yet.
// Guarantees: posting never blocks and keeps the order of its calls, whatever the child does; every request gets
// its answer, its timeout, or the child's end; an answer that comes after the timeout is still matched by its sequence
// number; what answers no request, or another than was asked, is refused. Not thread-safe: the engine's lock orders all
// calls.
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

// More time for a child that is known to be busy: no request is late before `until_ns`, unless its time has been up for
// `most_ns`.
struct Grace {
    std::uint64_t until_ns = 0;
    std::uint64_t most_ns = 0;

    [[nodiscard]] std::uint64_t extend(std::uint64_t deadline_ns) const noexcept {
        return std::min(deadline_ns + most_ns, std::max(deadline_ns, until_ns));
    }
};

class Requests {
public:
    // Called with the answer, whose code is a Code and whose body is text in UTF-8 unless that is ok. Before that at
    // most once with the error `timeout`; instead of it with what fail_all() is given, or with why the request could
    // not be sent. It may post again.
    using OnAnswer = std::function<void(Result<Message>& answer)>;

    // `on_blocked` is called when the child does not take a message at once: flush() when its socket is writable.
    Requests(Channel channel, std::function<void()> on_blocked)
        : channel_(std::move(channel)), on_blocked_(std::move(on_blocked)) {}

    [[nodiscard]] const Channel& channel() const noexcept { return channel_; }

    // Sends `header` (op and fields set by the caller) under a new sequence number.
    void post(MessageHeader header, std::string_view body, std::span<const int> fds, std::uint64_t deadline_ns,
              OnAnswer on_answer);
    // Likewise, but by the notice that is begun in `from` (which outlives this), of which this child is at `place`.
    void expect(Broadcast& from, std::uint32_t place, const MessageHeader& header, std::uint64_t deadline_ns,
                OnAnswer on_answer);
    // Sends `header`; an answer to it is dropped.
    void tell(MessageHeader header, std::string_view body);
    // Sends what waits. True: nothing waits any more.
    bool flush();

    // Hands in a message that was received. Error: malformed, if it answers no request, or another than was asked.
    Result<void> deliver(Message message);
    // Tells the requests whose time is up.
    void expire(std::uint64_t now_ns, const Grace& grace = {});
    // No request times out before this; none if nothing can.
    [[nodiscard]] std::optional<std::uint64_t> next_deadline(const Grace& grace = {}) const noexcept {
        return next_deadline_ ? std::optional(grace.extend(*next_deadline_)) : std::nullopt;
    }
    // The child is gone: every pending and future request ends with `error`.
    void fail_all(const Error& error);
    // Requests without an answer, late ones included.
    [[nodiscard]] std::size_t unanswered() const noexcept { return pending_.size(); }

private:
    struct Pending {
        std::uint64_t deadline_ns;
        bool late;
        OnAnswer on_answer;
        Broadcast* from;  // null for a message
        MessageHeader asked;
    };
    struct Unsent {
        MessageHeader header;
        std::string body;
        std::vector<UniqueFd> fds;
    };
    // Whether the child is gone; then `on_answer` has been called.
    bool refuse(const OnAnswer& on_answer) const;
    void add(std::uint64_t sequence, Pending pending);
    // Error: the message was not sent and never will be, while the child goes on.
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
