// Announcement: one request to many children: one notice to those that receive notices, single messages to the others.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "children/child.h"
#include "control/broadcast.h"

namespace callring {

class Announcement {
public:
    // `body` and `fds` must outlive it. While one Announcement exists, a second one sends messages only.
    Announcement(Broadcast& broadcast, const MessageHeader& header, std::string_view body, std::span<const int> fds)
        : broadcast_(broadcast), header_(header), body_(body), fds_(fds), open_(fds.empty() && broadcast.open(body)) {}
    // Publishes the notice.
    ~Announcement() {
        if (open_) {
            broadcast_.publish(header_, body_);
        }
    }
    Announcement(const Announcement&) = delete;
    Announcement& operator=(const Announcement&) = delete;

    // Sends the request to `child`, whose `requests` must not be null. The other arguments: as Requests::post().
    void ask(Child& child, std::uint64_t deadline_ns, Requests::OnAnswer on_answer) {
        // A starting child gets its requests by its socket, which keeps their order; a ready child receives notices.
        if (open_ && child.hears_notices && child.state == ChildState::ready) {
            child.requests->expect(broadcast_, child.index, header_, deadline_ns, std::move(on_answer));
        } else {
            child.requests->post(header_, body_, fds_, deadline_ns, std::move(on_answer));
        }
    }

private:
    Broadcast& broadcast_;
    MessageHeader header_;
    std::string_view body_;
    std::span<const int> fds_;
    bool open_;
};

}  // namespace callring
