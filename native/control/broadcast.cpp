#include "control/broadcast.h"

#include <algorithm>
#include <utility>

#include "common/event.h"
#include "common/system_calls.h"
#include "common/system_error.h"
#include "lane/layout.h"

namespace callring {

Result<std::unique_ptr<Broadcast>> Broadcast::create() {
    auto map = SharedMap::create("callring-notices", sizeof(Notices));
    if (!map) {
        return std::move(map).error();
    }
    UniqueFd event(sys::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) {
        return system_error("eventfd");
    }
    return std::unique_ptr<Broadcast>(new Broadcast(std::move(map).value(), std::move(event)));
}

// New shared memory is zeroed, which is the initial state of Notices: it is not written before its first use.
Broadcast::Broadcast(SharedMap map, UniqueFd event) noexcept : map_(std::move(map)), event_(std::move(event)) {}

bool Broadcast::open(std::string_view body) noexcept {
    if (open_ || body.size() > kMaxMessageBody || awaited_.at(next_ % kNotices) > 0) {
        return false;
    }
    open_ = true;
    return true;
}

std::uint64_t Broadcast::address(std::uint32_t place) noexcept {
    audience_.at(place / 64) |= std::uint64_t{1} << (place % 64);
    ++awaited_.at(next_ % kNotices);
    return next_;
}

void Broadcast::publish(MessageHeader header, std::string_view body) noexcept {
    open_ = false;
    if (std::all_of(audience_.begin(), audience_.end(), [](std::uint64_t places) { return places == 0; })) {
        return;
    }
    header.layout_version = kLayoutVersion;
    header.sequence = next_;
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    Notice& notice = reinterpret_cast<Notices*>(map_.data())->at(next_);
    notice.number.store(0, std::memory_order_relaxed);
    for (std::size_t i = 0; i < audience_.size(); ++i) {
        notice.audience.at(i).store(audience_.at(i), std::memory_order_release);
    }
    notice.header = header;
    std::copy(body.begin(), body.end(), notice.body.begin());
    notice.number.store(next_, std::memory_order_release);
    ++next_;
    audience_.fill(0);
    // Wakes the children that have already checked for a notice. No child reads the event: each epoll reports every
    // write (EPOLLET).
    raise_event(event_.get());
}

}  // namespace callring
