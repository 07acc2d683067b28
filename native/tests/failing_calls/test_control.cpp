// Failing system calls of control sockets and notices.
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "control/inbox.h"
#include "control/payload.h"
#include "control/requests.h"
#include "tests/failing_calls/failing.h"

using namespace callring;
using namespace callring::test;

namespace {

constexpr std::uint64_t kNever = UINT64_MAX;

UniqueFd copy_of(int fd) {
    return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

}  // namespace

TEST_CASE("a message with a descriptor arrives, or a failing call is an error; lack of memory for it is waited out") {
    fail_each_call([]() -> Result<void> {
        auto ends = Channel::pair();
        if (!ends) {
            return std::move(ends).error();
        }
        const std::array<int, 1> fds{STDERR_FILENO};
        // With a deadline in the past, lack of memory would be an error.
        if (auto sent = ends->first.send(header_of(Op::start), "body", fds, kNever); !sent) {
            return sent;
        }
        auto received = ends->second.receive(kNever);
        if (!received) {
            // A message that was not received is still there.
            received = ends->second.receive(kNever);
            CHECK(received.ok());
            CHECK(received->body == "body");
            return Error{Code::io, "the first attempt failed"};
        }
        CHECK(received->fds.size() == 1);
        CHECK(received->body == "body");
        return ends->second.receive(0).error().code == Code::timeout ? Result<void>() : Error{Code::io, "poll failed"};
    });
}

TEST_CASE("lack of memory for a message is an error once the deadline has passed") {
    auto ends = std::move(Channel::pair()).value();
    CHECK(ends.first.send(header_of(Op::start), "body", {}, 0).ok());
    fail_each_call([&]() -> Result<void> {
        if (auto sent = ends.first.send(header_of(Op::start), "body", {}, 0); !sent) {
            return sent;
        }
        for (auto next = ends.second.try_receive(); !next || *next; next = ends.second.try_receive()) {
            if (!next) {
                return std::move(next).error();
            }
        }
        return {};
    });
}

TEST_CASE("a large payload travels in sealed memory, or a failing call is an error") {
    const std::vector<std::byte> bytes(3 * kMaxMessageBody, std::byte{5});
    fail_each_call(
        [&]() -> Result<void> {
            auto payload = Payload::create(bytes);
            if (!payload) {
                return std::move(payload).error();
            }
            Message message;
            message.fds.push_back(copy_of(payload->fds().front()));
            const auto text = payload_of(message);
            if (!text) {
                return text.error();
            }
            CHECK(text->size() == bytes.size());
            return {};
        },
        {Code::io, Code::out_of_memory, Code::out_of_descriptors, Code::malformed});
}

TEST_CASE("a child listens and receives a notice and a message, or a failing call is an error") {
    fail_each_call(
        []() -> Result<void> {
            auto broadcast = Broadcast::create();
            if (!broadcast) {
                return std::move(broadcast).error();
            }
            auto ends = Channel::pair();
            if (!ends) {
                return std::move(ends).error();
            }
            auto inbox = Inbox::listen(ends->second, copy_of((*broadcast)->fd()), copy_of((*broadcast)->event_fd()), 3,
                                       (*broadcast)->next());
            if (!inbox) {
                return std::move(inbox).error();
            }
            REQUIRE((*broadcast)->open("notice"));
            (*broadcast)->address(3);
            (*broadcast)->publish(header_of(Op::register_callable), "notice");
            auto notice = inbox->receive(ends->second, kNever);
            if (!notice) {
                return std::move(notice).error();
            }
            CHECK(notice->body == "notice");
            if (auto sent = ends->first.send(header_of(Op::start), "message", {}, kNever); !sent) {
                return sent;
            }
            auto message = inbox->receive(ends->second, kNever);
            if (!message) {
                return std::move(message).error();
            }
            CHECK(message->body == "message");
            return {};
        },
        {Code::io, Code::out_of_memory, Code::out_of_descriptors, Code::malformed});
}

TEST_CASE("every request to a child ends once, whichever call fails while requests are sent, wait and are flushed") {
    const auto body = std::string(kMaxMessageBody, 'x');
    fail_each_call([&]() -> Result<void> {
        auto ends = Channel::pair();
        if (!ends) {
            return std::move(ends).error();
        }
        int blocked = 0;
        std::optional<Requests> requests(std::in_place, std::move(ends->first), [&] { ++blocked; });
        std::vector<int> heard;
        std::optional<Error> failed;
        const std::array<int, 1> fds{STDERR_FILENO};
        std::size_t posted = 0;
        const auto post = [&] {
            heard.push_back(0);
            requests->post(header_of(Op::register_callable), body, fds, kNever,
                           [&heard, &failed, index = posted](Result<Message>& answer) {
                               ++heard.at(index);
                               if (!answer && answer.error().code != Code::closed) {
                                   failed = answer.error();
                               }
                           });
            ++posted;
        };
        while (blocked == 0) {
            post();
        }
        post();  // waits behind it
        std::size_t arrived = 0;
        for (bool flushed = false; !flushed || arrived + static_cast<std::size_t>(failed.has_value()) < posted;) {
            flushed = requests->flush();
            auto received = ends->second.try_receive();
            if (!received) {
                failed = received.error();  // the message is still there
            } else if (*received) {
                ++arrived;
            } else if (flushed) {
                break;
            }
        }
        requests->fail_all({Code::closed, "it died"});
        for (const int times : heard) {
            CHECK(times == 1);
        }
        return failed ? Result<void>(*failed) : Result<void>();
    });
}
