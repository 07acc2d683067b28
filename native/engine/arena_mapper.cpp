#include "engine/arena_mapper.h"

#include <algorithm>
#include <array>
#include <utility>

namespace callring {

std::shared_ptr<ArenaMapper::Mapping> ArenaMapper::map(const std::shared_ptr<Arena>& arena, std::uint64_t deadline_ns) {
    arenas_.push_back(arena);
    auto mapping = std::make_shared<Mapping>();
    for (const ChildPtr& child : shared_.scheduler.children()) {
        if (child->requests && child->has_a_future()) {
            post(child, *arena, std::max(deadline_ns + child->patience_ns, child->start_deadline_ns),
                 child->state == ChildState::ready ? mapping : nullptr);
        }
    }
    return mapping;
}

void ArenaMapper::map_all(const ChildPtr& child, std::uint64_t deadline_ns) {
    for (const auto& arena : arenas_) {
        post(child, *arena, deadline_ns, nullptr);
    }
}

void ArenaMapper::post(const ChildPtr& child, const Arena& arena, std::uint64_t deadline_ns,
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
                                  child->condemn("it did not map new shared memory in time");
                              } else if (!gone && code != Code::ok) {
                                  const std::string& why = answer ? answer->body : answer.error().message;
                                  const Error error{code, child->name() + " cannot map new shared memory: " + why};
                                  if (mapping) {
                                      mapping->failure = error;
                                  } else {
                                      shared_.start_failed(*child, error);
                                  }
                              }
                              if (mapping && !std::exchange(told, true)) {
                                  --mapping->open;
                              }
                              shared_.changed.notify_all();
                          });
}

}  // namespace callring
