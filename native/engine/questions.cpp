#include "engine/questions.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/clock.h"
#include "common/system_calls.h"
#include "common/tuning.h"
#include "control/payload.h"
#include "memory/reserve.h"

namespace callring {

namespace {

// Whether a message arrives before `end_ns`. Also false after a signal, and if the child has closed its socket.
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

// Handles answers only: wait() and the progress thread handle a child's death, a signal, and answers that come later.
void Questions::ask(std::unique_lock<std::mutex>& lock, const std::function<void()>& post) {
    if (receiving_) {
        post();
        return;
    }
    receiving_ = true;
    shared_.supervisor->leave_sockets();  // before a child can answer, so that no answer wakes the progress thread
    post();
    const std::uint64_t end = now_ns() + tuning::kReceiveNs;
    for (bool heard = true; heard;) {
        const auto asked = unanswered();
        if (asked.empty()) {
            break;
        }
        // Most children answer in the order in which they were asked. So this thread waits for the last but one: by
        // then most others have answered, too, and the last one answers while this thread wakes up.
        const auto awaited = asked[asked.size() - std::min<std::size_t>(asked.size(), 2)]->requests;
        lock.unlock();
        heard = (asked.size() == 1 && spin_([&] { return readable(*awaited, 0); })) || readable(*awaited, end);
        lock.lock();
        for (const ChildPtr& child : asked) {
            if (child->requests) {
                static_cast<void>(recovery_.receive_from(child));  // the progress thread notices an error, too
            }
        }
    }
    receiving_ = false;
    shared_.supervisor->hear_sockets();
    shared_.changed.notify_all();
}

// Returns only children that are expected to answer soon: none that is starting or being ended.
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
    const bool is_over = shared_.changed.wait_for(lock, std::chrono::nanoseconds(tuning::kSignalSliceNs), over);
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
                                  if (!std::exchange(told, true)) {  // an answer after the timeout is ignored
                                      asked->answers.emplace_back(id, answer ? answered(*answer) : answer.error());
                                      --asked->open;
                                      shared_.changed.notify_all();
                                  }
                              });
    }
    return asked;
}

}  // namespace callring
