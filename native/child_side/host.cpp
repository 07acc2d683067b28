#include "child_side/host.h"

#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX signal functions
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "common/clock.h"
#include "common/short_slice.h"
#include "common/system_calls.h"
#include "common/tuning.h"
#include "control/payload.h"
#include "memory/reserve.h"
#include "memory/sealed.h"

namespace callring {

namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

MessageHeader reply_to(const Message& request, Code code) {
    MessageHeader header;
    header.op = request.header.op;
    header.sequence = request.header.sequence;
    header.argument = request.header.argument;
    header.kind = request.header.kind;
    header.digest = request.header.digest;
    header.code = static_cast<std::uint32_t>(code);
    return header;
}

std::string_view fit_body(const std::string& text) {
    return std::string_view(text).substr(0, kMaxMessageBody);
}

}  // namespace

Result<std::unique_ptr<ChildHost>> ChildHost::start(UniqueFd control, const MakeStore& make_store) {
    Channel channel(std::move(control));
    auto request = channel.receive(std::nullopt);
    if (!request) {
        if (request.error().code == Code::layout_mismatch) {
            // Any message has this child's layout version, and the parent reports the error.
            static_cast<void>(channel.send(MessageHeader{}, {}, {}, kNever));
        }
        return std::move(request).error();
    }
    const MessageHeader refusal = reply_to(*request, Code::ok);
    auto host = [&]() -> Result<std::unique_ptr<ChildHost>> {
        try {
            return prepare(channel, *request, make_store);
        } catch (const std::bad_alloc&) {
            return Error{Code::out_of_memory, "no memory is left"};
        } catch (const std::system_error& error) {
            return Error{Code::out_of_memory, std::string("no thread can be started: ") + error.what()};
        }
    }();
    if (!host) {
        MessageHeader reply = refusal;
        reply.code = static_cast<std::uint32_t>(host.error().code);
        static_cast<void>(channel.send(reply, fit_body(host.error().message), {}, kNever));
    }
    return host;
}

// Leaves `channel` to its caller unless it succeeds.
Result<std::unique_ptr<ChildHost>> ChildHost::prepare(Channel& channel, Message& request, const MakeStore& make_store) {
    if (request.op() != Op::start) {
        return Error{Code::malformed, "the first request is not a start request"};
    }
    if (auto arrived = request.check_fds(); !arrived) {
        return std::move(arrived).error();
    }
    auto body = StartBody::decode(request.body);
    if (!body) {
        return std::move(body).error();
    }
    auto lane = ChildLane::attach(request.take_fd(0), request.take_fd(1), request.take_fd(2));
    if (!lane) {
        return std::move(lane).error();
    }
    Result<Inbox> inbox = Inbox();
    if (UniqueFd notices = request.take_fd(3); notices.valid()) {
        inbox = Inbox::listen(channel, std::move(notices), request.take_fd(4), body->place, body->next_notice);
    }
    if (!inbox) {
        return std::move(inbox).error();
    }
    auto store = make_store(*body);
    if (!store) {
        return std::move(store).error();
    }
    std::unique_ptr<ChildHost> host(
        new ChildHost(std::move(inbox).value(), std::move(store).value(), std::move(lane).value()));
    host->begin(channel, request);
    return host;
}

// Starts the control thread, which first answers the start request.
void ChildHost::begin(Channel& channel, const Message& request) {
    Message start;
    start.header = request.header;
    channel_ = std::move(channel);
    try {
        thread_ = sys::start_thread([this, start = std::move(start)] {
            sigset_t all;
            ::sigfillset(&all);
            ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
            prepare_thread_to_throw();
            answer(start, {});
            ask_short_slice();
            serve();
        });
    } catch (...) {
        channel = std::move(channel_);
        throw;
    }
}

ChildHost::ChildHost(Inbox inbox, std::unique_ptr<CallableStore> store, std::unique_ptr<ChildLane> lane)
    : inbox_(std::move(inbox)), store_(std::move(store)), lane_(std::move(lane)) {}

ChildHost::~ChildHost() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

void ChildHost::serve() {
    try {
        while (!ended_) {
            auto received = inbox_.receive(channel_, std::nullopt);
            if (!received) {
                // The parent has ended, or its messages cannot be read: this process has no more work.
                ::_exit(received.error().code == Code::closed ? 0 : 1);
            }
            serve(*received);
        }
    } catch (const std::bad_alloc&) {
        // There is no memory for a message about this. The parent replaces this process.
        ::_exit(1);
    }
}

void ChildHost::serve(Message& message) {
    switch (message.op()) {
        case Op::shutdown:
            ended_ = true;
            lane_->stop();
            break;
        case Op::take_trace:
            answer_with(message, store_->take_trace());
            break;
        case Op::register_callable:
        case Op::register_and_hold:
            install(message);
            break;
        default:
            answer(message, handle(message));
    }
}

void ChildHost::install(Message& message) {
    // The payload is sealed against writing: the checked bytes are those that will be executed.
    const auto payload = Payload::take(message);
    if (!payload) {
        answer(message, payload.error());
        return;
    }
    const bool may_hold = message.op() == Op::register_and_hold && store_->interrupts() && !holding_;
    lane_->begin_loading();
    bool answered = false;
    const auto installed = [&](const Result<void>& outcome) {
        answered = true;
        // Before the answer: a child that is stopped right after it must not seem to be still loading.
        lane_->end_loading();
        answer(message, outcome);
        if (outcome && may_hold) {
            hold();
        }
    };
    try {
        store_->install(message.header.kind, message.header.digest, payload->bytes(), may_hold, installed);
    } catch (const std::bad_alloc&) {
        if (answered) {
            throw;
        }
        lane_->end_loading();
        answer(message, Error{Code::out_of_memory, "no memory is left to install it"});
    }
}

void ChildHost::hold() {
    holding_ = true;
    const std::uint64_t end = now_ns() + tuning::kLongestYieldNs;
    while (!ended_) {
        auto received = inbox_.receive(channel_, std::min(end, now_ns() + tuning::kYieldNs));
        if (!received) {
            break;  // no more requests; or the parent has ended, which serve() notices, too
        }
        serve(*received);
    }
    holding_ = false;
}

Result<void> ChildHost::handle(Message& message) {
    switch (message.op()) {
        case Op::map_arena:
            if (auto arrived = message.check_fds(); !arrived) {
                return arrived;
            }
            return arenas_.attach(static_cast<std::uint32_t>(message.header.argument), message.take_fd(0));
        case Op::unregister_callable:
            return store_->remove(message.header.digest);
        default:
            return Error{Code::malformed, "unknown request " + std::to_string(message.header.op)};
    }
}

void ChildHost::answer(const Message& request, const Result<void>& outcome) {
    const std::lock_guard lock(send_mutex_);
    const Code code = outcome ? Code::ok : outcome.error().code;
    static_cast<void>(channel_.send(reply_to(request, code),
                                    outcome ? std::string_view() : fit_body(outcome.error().message), {}, kNever));
}

void ChildHost::answer_with(const Message& request, const Result<std::string>& payload) {
    Result<void> outcome = payload ? Result<void>() : Result<void>(payload.error());
    if (payload) {
        const std::lock_guard lock(send_mutex_);
        outcome = send_payload(reply_to(request, Code::ok), std::as_bytes(std::span(*payload)));
    }
    if (!outcome) {
        answer(request, outcome);
    }
}

Result<void> ChildHost::send_payload(const MessageHeader& header, std::span<const std::byte> payload) {
    if (payload.size() <= kMaxMessageBody) {
        const std::string_view body(reinterpret_cast<const char*>(payload.data()), payload.size());
        return channel_.send(header, body, {}, kNever);
    }
    const auto sealed = SealedPayload::create(payload);
    if (!sealed) {
        return sealed.error();
    }
    const std::array<int, 1> fds{sealed->fd()};
    return channel_.send(header, {}, fds, kNever);
}

void ChildHost::complete(Code code, std::uint64_t begin_ns, std::uint64_t end_ns, std::span<const std::byte> payload) {
    if (payload.size() <= ChildLane::max_inline_payload()) {
        lane_->complete(code, begin_ns, end_ns, payload);
        return;
    }
    if (payload.size() < kLeastExtent) {
        if (std::byte* room = lane_->reserve_result(payload.size())) {
            std::ranges::copy(payload, room);
            lane_->complete_with_result(code, begin_ns, end_ns, payload.size());
            return;
        }
    }
    const auto extent = lane_->extents().write(payload);
    if (extent) {
        lane_->complete(code, begin_ns, end_ns, std::as_bytes(std::span(&*extent, 1)), kPayloadInExtent);
        return;
    }
    // The task has ended, but its result cannot be sent.
    const std::string& why = extent.error().message;
    const auto text = std::as_bytes(std::span(why)).first(std::min(why.size(), ChildLane::max_inline_payload()));
    lane_->complete(extent.error().code, begin_ns, end_ns, text);
}

}  // namespace callring
