#include "engine/questions.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/clock.h"
#include "common/system_calls.h"
#include "control/payload.h"
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

Result<std::string> answered(Message& answer) {
    return answer.code() == Code::ok ? payload_of(answer) : Error{answer.code(), answer.body};
}
}  // namespace

// The end of a child, a signal, and whatever takes longer are left to wait() and to the progress thread.
void Questions::ask(std::unique_lock<std::mutex>& lock, const std::function<void()>& post) {
    if (receiving_) {
        post();
        return;
    }
    receiving_ = true;
    shared_.supervisor->leave_sockets();  // before a child can answer
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
        heard = (asked.size() == 1 && spin_([&] { return readable(*awaited, 0); })) || readable(*awaited, end);
        lock.lock();
        for (const ChildPtr& child : asked) {
            if (child->requests) {
                static_cast<void>(recovery_.receive_from(child));  // its end is found by the progress thread, too
            }
        }
    }
    receiving_ = false;
    shared_.supervisor->hear_sockets();
    shared_.changed.notify_all();
}

// Of the children that can be expected to answer soon: not those that start, or are being ended.
std::vector<ChildPtr> Questions::unanswered() const {
    std::vector<ChildPtr> asked;
    for (const ChildPtr& child : shared_.scheduler.children()) {
        if (child->takes_work() && child->requests && child->requests->unanswered() > 0) {
            asked.push_back(child);
        }
    }
    return asked;
}

Waited Questions::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& answered) {
    const auto over = [&] { return answered() || shared_.closed || shared_.books.torn; };
    const bool is_over = shared_.changed.wait_for(lock, std::chrono::nanoseconds(kAnswerSliceNs), over);
    if (shared_.books.torn) {
        throw_out_of_memory();
    }
    return is_over ? Waited::done : Waited::interrupted;
}

std::shared_ptr<NodeTraces> Questions::ask_for_traces() {
    auto asked = std::make_shared<NodeTraces>();
    const std::uint64_t deadline = now_ns() + shared_.options.control_timeout_ns;
    for (const ChildPtr& child : shared_.scheduler.children()) {
        if (child->kind != ChildKind::node) {
            continue;
        }
        if (!child->takes_work()) {
            asked->answers.emplace_back(child->id, Error{Code::worker_lost, child->name() + " is not running"});
            continue;
        }
        ++asked->open;
        recovery_.expect_deadline(deadline + child->patience_ns);
        child->requests->post(header_of(Op::take_trace), {}, {}, deadline + child->patience_ns,
                              [this, asked, id = child->id, told = false](Result<Message>& answer) mutable {
                                  if (!std::exchange(told, true)) {  // else it comes after its timeout
                                      asked->answers.emplace_back(id, answer ? answered(*answer) : answer.error());
                                      --asked->open;
                                      shared_.changed.notify_all();
                                  }
                              });
    }
    return asked;
}

}  // namespace callring
