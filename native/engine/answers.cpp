// Engine: asking children on the control plane, and waiting for their answers. For a moment the caller receives them
// itself, and the progress thread is not woken at all.

#include <algorithm>
#include <chrono>

#include "common/clock.h"
#include "common/system_calls.h"
#include "engine/engine.h"
#include "memory/reserve.h"

namespace callring {

namespace {
// How often a caller that waits for children is given the chance to notice a signal.
constexpr std::uint64_t kAnswerSliceNs = 250'000'000;
// For how long a caller receives. It listens to one child at a time, so no caller may depend on it for longer.
constexpr std::uint64_t kReceiveNs = 2'000'000;

// Whether there is something to receive, or to find out, before `end_ns`. False as well when a signal came.
bool readable(const Requests& requests, std::uint64_t end_ns) {
    const std::uint64_t now = now_ns();
    const timespec left{0, end_ns > now ? static_cast<std::int64_t>(end_ns - now) : 0};
    pollfd entry{requests.channel().fd(), POLLIN, 0};
    return sys::ppoll(&entry, 1, &left, nullptr) > 0 && (entry.revents & (POLLHUP | POLLERR)) == 0;
}
}  // namespace

// The end of a child, a signal, and whatever takes longer are left to wait_for_children() and to the progress thread.
void Engine::ask(std::unique_lock<std::mutex>& lock, const std::function<void()>& post) {
    if (receiving_) {
        post();
        return;
    }
    receiving_ = true;
    supervisor_->leave_sockets();  // before a child can answer
    post();
    const std::uint64_t end = now_ns() + kReceiveNs;
    for (bool heard = true; heard;) {
        const auto asked = unanswered();
        if (asked.empty()) {
            break;
        }
        // Children mostly answer in the order in which they were asked. When the last but one has, most others have,
        // too, and were not waited for one by one; and the last one will by the time that this thread is awake.
        const auto awaited = asked[asked.size() - std::min<std::size_t>(asked.size(), 2)]->requests;
        lock.unlock();
        heard = (asked.size() == 1 && answer_spin_([&] { return readable(*awaited, 0); })) || readable(*awaited, end);
        lock.lock();
        for (const ChildPtr& child : asked) {
            if (child->requests) {
                static_cast<void>(receive_from(child));  // if that was its end, the progress thread finds it, too
            }
        }
    }
    receiving_ = false;
    supervisor_->hear_sockets();
    changed_.notify_all();
}

// Of the children that can be expected to answer soon: not those that start, or are being ended.
std::vector<ChildPtr> Engine::unanswered() {
    std::vector<ChildPtr> asked;
    for (const ChildPtr& child : scheduler_.children()) {
        if (child->state == ChildState::ready && child->condemned.empty() && child->requests &&
            child->requests->unanswered() > 0) {
            asked.push_back(child);
        }
    }
    return asked;
}

Waited Engine::wait_for_children(const std::function<bool()>& answered) {
    std::unique_lock lock(mutex_);
    const auto over = [&] { return answered() || closed_ || books_.torn; };
    const bool is_over = changed_.wait_for(lock, std::chrono::nanoseconds(kAnswerSliceNs), over);
    if (books_.torn) {
        throw_out_of_memory();
    }
    return is_over ? Waited::done : Waited::interrupted;
}

}  // namespace callring
