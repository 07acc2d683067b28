// Engine: callables and arenas on their way into the children. What is decided: registry/registrar.h; here it meets
// the lock, the clock and the waiting threads.
#include <algorithm>
#include <array>
#include <utility>

#include "common/clock.h"
#include "engine/engine.h"

namespace callring {

Result<OperationPtr> Engine::begin_register(CallableSpec spec) {
    if (auto checked = check_memory(); !checked) {
        return std::move(checked).error();
    }
    std::unique_lock lock(mutex_);
    const KeepsBooks keeps(books_);
    if (closing_) {
        return Error{Code::closed, "the Worker is closed"};
    }
    expect_deadline(now_ns() + options_.control_timeout_ns);
    Result<OperationPtr> begun = OperationPtr();
    ask(lock, [&] { begun = registrar_.begin_register(std::move(spec)); });
    return begun;
}

Result<OperationPtr> Engine::begin_unregister(const CallablePtr& callable) {
    std::unique_lock lock(mutex_);
    const KeepsBooks keeps(books_);
    if (closing_) {
        return Error{Code::closed, "the Worker is closed"};
    }
    drain();  // what has ended does not hold up the removal
    expect_deadline(now_ns() + options_.control_timeout_ns);
    Result<OperationPtr> begun = OperationPtr();
    ask(lock, [&] { begun = registrar_.begin_unregister(callable); });
    after_progress();
    return begun;
}

Waited Engine::wait_for_operation(const OperationPtr& operation) {
    return wait_for_children([&] { return operation->settled(); });
}

void Engine::abandon(const OperationPtr& operation) {
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    if (operation->registers) {
        registrar_.abandon(*operation);
    }
}

// ---- arenas ---------------------------------------------------------------------------------------------------------

// Called with a new arena before anything lies in it. Those that take work must have mapped it before it is used;
// those that start will have before they take any.
Result<void> Engine::map_arena(const std::shared_ptr<Arena>& arena) {
    std::unique_lock lock(mutex_);
    const KeepsBooks keeps(books_);
    arenas_.push_back(arena);
    const auto mapping = std::make_shared<Mapping>();
    const std::uint64_t deadline = now_ns() + options_.control_timeout_ns;
    expect_deadline(deadline);
    ask(lock, [&] {
        for (const ChildPtr& child : scheduler_.children()) {
            if (child->requests && (child->state == ChildState::starting || child->state == ChildState::ready)) {
                post_arena(child, *arena, std::max(deadline + child->patience_ns, child->start_deadline_ns),
                           child->state == ChildState::ready ? mapping : nullptr);
            }
        }
    });
    changed_.wait(lock, [&] { return mapping->open == 0 || closed_ || books_.torn; });
    if (books_.torn) {
        return Error{Code::out_of_memory, "the Worker ran out of memory in the middle of its work; close it"};
    }
    if (mapping->failure) {
        std::erase(arenas_, arena);
        return *mapping->failure;
    }
    return {};
}

void Engine::post_arena(const ChildPtr& child, const Arena& arena, std::uint64_t deadline_ns,
                        const std::shared_ptr<Mapping>& mapping) {
    const std::array<int, 1> fds{arena.fd()};
    if (mapping) {
        ++mapping->open;
    }
    child->requests->post(header_of(Op::map_arena, arena.id()), {}, fds, deadline_ns,
                          [this, child, key = child->key, mapping, told = false](Result<Message>& answer) mutable {
                              const bool gone = child->key != key;
                              const Code code = answer ? answer->code() : answer.error().code;
                              if (!gone && !answer && code == Code::timeout) {
                                  condemn(*child, "it did not map new shared memory in time");
                              } else if (!gone && code != Code::ok) {
                                  const std::string& why = answer ? answer->body : answer.error().message;
                                  const Error error{code, child->name() + " cannot map new shared memory: " + why};
                                  if (mapping) {
                                      mapping->failure = error;
                                  } else {
                                      start_failed(*child, error);
                                  }
                              }
                              if (mapping && !std::exchange(told, true)) {
                                  --mapping->open;
                              }
                              changed_.notify_all();
                          });
}

}  // namespace callring
