#include "lane/bell.h"

#include <new>
#include <utility>

#include "common/event.h"
#include "common/system_calls.h"
#include "common/system_error.h"
#include "lane/sleep_word.h"

namespace callring {

namespace {
constexpr auto kAwake = static_cast<std::uint32_t>(BellState::awake);
static_assert(kAwake == kNobodySleeps);
constexpr auto kWaiter = static_cast<std::uint32_t>(BellState::waiter);
constexpr auto kProgress = static_cast<std::uint32_t>(BellState::progress);
}  // namespace

Result<std::unique_ptr<ParentBell>> ParentBell::create() {
    auto map = SharedMap::create("callring-bell", sizeof(Bell));
    if (!map) {
        return std::move(map).error();
    }
    new (map->data()) Bell{};
    UniqueFd event(sys::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) {
        return system_error("eventfd");
    }
    return std::unique_ptr<ParentBell>(new ParentBell(std::move(map).value(), std::move(event)));
}

ParentBell::ParentBell(SharedMap map, UniqueFd event) noexcept : map_(std::move(map)), event_(std::move(event)) {}

FutexWait ParentBell::sleep(const std::function<bool()>& ready, std::optional<std::uint64_t> deadline_ns) {
    return announce_and_sleep(state(), kWaiter, ready, deadline_ns);
}

void ParentBell::ring() noexcept {
    std::uint32_t expected = kWaiter;
    if (state().compare_exchange_strong(expected, kAwake, std::memory_order_seq_cst)) {
        futex_wake(state(), 1);
    }
}

void ParentBell::arm_progress(const std::function<bool()>& ready) {
    if (state().load(std::memory_order_relaxed) == kProgress) {
        return;
    }
    if (announce(state(), kProgress, ready)) {
        raise_event(event_.get());
    }
}

void ParentBell::disarm() noexcept {
    state().store(kAwake, std::memory_order_seq_cst);
}

void ParentBell::clear_event() noexcept {
    callring::clear_event(event_.get());
}

}  // namespace callring
