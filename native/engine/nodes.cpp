// Engine: what it asks of its nodes alone.
#include <utility>

#include "common/clock.h"
#include "control/payload.h"
#include "engine/engine.h"

namespace callring {

namespace {
Result<std::string> answered(Message& answer) {
    return answer.code() == Code::ok ? payload_of(answer) : Error{answer.code(), answer.body};
}
}  // namespace

std::shared_ptr<Engine::NodeTraces> Engine::ask_for_traces() {
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    auto asked = std::make_shared<NodeTraces>();
    const std::uint64_t deadline = now_ns() + options_.control_timeout_ns;
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
        child->requests->post(header_of(Op::take_trace), {}, {}, deadline + child->patience_ns,
                              [this, asked, id = child->id, told = false](Result<Message>& answer) mutable {
                                  if (!std::exchange(told, true)) {  // else it comes after its timeout
                                      asked->answers.emplace_back(id, answer ? answered(*answer) : answer.error());
                                      --asked->open;
                                      changed_.notify_all();
                                  }
                              });
    }
    return asked;
}

Waited Engine::wait_for_traces(const std::shared_ptr<NodeTraces>& asked) {
    return wait_for_children([&] { return asked->open == 0; });
}

}  // namespace callring
