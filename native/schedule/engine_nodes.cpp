// Engine: what it asks of its nodes alone.
#include <chrono>
#include <utility>

#include "common/clock.h"
#include "schedule/engine.h"

namespace callring {

namespace {

// How often a caller that waits for nodes is given the chance to notice a signal.
constexpr std::uint64_t kSignalSliceNs = 250'000'000;

Result<std::string> payload_of(Message& answer) {
    if (answer.code() != Code::ok) {
        return Error{answer.code(), answer.body};
    }
    if (answer.fds.empty()) {
        return std::move(answer.body);
    }
    const auto sealed = SealedPayload::adopt(answer.take_fd(0));
    if (!sealed) {
        return sealed.error();
    }
    const auto bytes = sealed->bytes();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::shared_ptr<Engine::NodeTraces> Engine::ask_for_traces() {
    const std::lock_guard lock(mutex_);
    auto asked = std::make_shared<NodeTraces>();
    const std::uint64_t deadline = now_ns() + options_.control_timeout_ns;
    MessageHeader header;
    header.op = static_cast<std::uint32_t>(Op::take_trace);
    for (const ChildPtr& child : scheduler_.children()) {
        if (child->kind != ChildKind::node) {
            continue;
        }
        if (!child->takes_work()) {
            asked->answers.emplace_back(child->id, Error{Code::worker_lost, child->name() + " is not running"});
            continue;
        }
        ++asked->open;
        expect_deadline(deadline + child->patience_ns);
        child->requests->post(header, {}, {}, deadline + child->patience_ns,
                              [this, asked, id = child->id, told = false](Result<Message>& answer) mutable {
                                  if (!std::exchange(told, true)) {  // else it comes after its timeout
                                      asked->answers.emplace_back(id, answer ? payload_of(*answer) : answer.error());
                                      --asked->open;
                                      changed_.notify_all();
                                  }
                              });
    }
    return asked;
}

Waited Engine::wait_for_traces(const std::shared_ptr<NodeTraces>& asked) {
    std::unique_lock lock(mutex_);
    const auto over = [&] { return asked->open == 0 || closed_; };
    if (changed_.wait_for(lock, std::chrono::nanoseconds(kSignalSliceNs), over)) {
        return Waited::done;
    }
    return Waited::interrupted;
}

}  // namespace callring
