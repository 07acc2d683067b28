#include "control/inbox.h"

#include <array>
#include <cerrno>
#include <utility>

#include "common/clock.h"
#include "common/system_calls.h"
#include "common/system_error.h"

namespace callring {

namespace {
constexpr std::uint64_t kSocket = 1;
constexpr std::uint64_t kEvent = 2;

bool watch(int epoll, int fd, std::uint32_t events, std::uint64_t what) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = what;
    return sys::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}
}  // namespace

Result<Inbox> Inbox::listen(const Channel& channel, UniqueFd notices, UniqueFd event, std::uint32_t place,
                            std::uint64_t next) {
    auto map = SharedMap::attach(std::move(notices));
    if (!map) {
        return std::move(map).error();
    }
    if (map->size() < sizeof(Notices) || place >= kAudience) {
        return Error{Code::malformed, "start request has no valid place in the audience of notices"};
    }
    // Mapped read-only, as it belongs to the parent: an error here must not change what other children read.
    if (sys::mprotect(map->data(), map->size(), PROT_READ) != 0) {
        return system_error("mprotect");
    }
    UniqueFd epoll(sys::epoll_create1(EPOLL_CLOEXEC));
    // Edge-triggered: every write to the event wakes every child once, though no child reads the event.
    if (!epoll.valid() || !watch(epoll.get(), channel.fd(), EPOLLIN, kSocket) ||
        !watch(epoll.get(), event.get(), EPOLLIN | EPOLLET, kEvent)) {
        return system_error("epoll");
    }
    return Inbox(std::move(map).value(), std::move(event), std::move(epoll), place, next);
}

Inbox::Inbox(SharedMap map, UniqueFd event, UniqueFd epoll, std::uint32_t place, std::uint64_t next) noexcept
    : map_(std::move(map)), event_(std::move(event)), epoll_(std::move(epoll)), place_(place), next_(next) {}

Result<Message> Inbox::receive(const Channel& channel, std::optional<std::uint64_t> deadline_ns) {
    if (!epoll_.valid()) {
        return channel.receive(deadline_ns);
    }
    for (;;) {
        auto notice = take_notice();
        if (!notice) {
            return std::move(notice).error();
        }
        if (*notice) {
            return std::move(**notice);
        }
        std::array<epoll_event, 2> events{};
        const int ready = sys::epoll_wait(epoll_.get(), events.data(), events.size(), poll_timeout_ms(deadline_ns));
        if (ready < 0 && errno != EINTR) {
            return system_error("epoll_wait");
        }
        if (ready == 0 && deadline_ns && now_ns() >= *deadline_ns) {
            return Error{Code::timeout, "no control message in time"};
        }
        for (int i = 0; i < ready; ++i) {
            if (events.at(static_cast<std::size_t>(i)).data.u64 == kSocket) {
                auto received = channel.try_receive();
                if (!received) {
                    return std::move(received).error();
                }
                if (*received) {
                    return std::move(**received);
                }
            }
        }
    }
}

Result<std::optional<Message>> Inbox::take_notice() {
    auto& notices = *reinterpret_cast<Notices*>(map_.data());
    for (;;) {
        const Notice& notice = notices.at(next_);
        const std::uint64_t number = notice.number.load(std::memory_order_acquire);
        if (number < next_) {
            return std::optional<Message>();  // not written yet; a later event announces it
        }
        const std::uint64_t places = notice.audience.at(place_ / 64).load(std::memory_order_acquire);
        const bool for_this = (places >> (place_ % 64) & 1U) != 0;
        // A notice that addresses this child is not replaced before the child has answered: skips replaced notices.
        if (number != next_++ || !for_this || notice.number.load(std::memory_order_relaxed) != number) {
            continue;
        }
        Message message;
        message.header = notice.header;
        if (message.header.body_bytes > notice.body.size()) {
            return Error{Code::malformed, "the length in the header of a notice is over the limit"};
        }
        message.body.assign(notice.body.data(), message.header.body_bytes);
        return std::optional<Message>(std::move(message));
    }
}

}  // namespace callring
