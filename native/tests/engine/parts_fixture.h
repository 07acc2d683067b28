// The parts of an Engine by themselves: with a real bell, broadcast and supervisor, and without children.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <mutex>
#include <utility>

#include "common/clock.h"
#include "common/event.h"
#include "engine/parts.h"
#include "tests/engine/patience.h"

namespace callring::test {

class PartsFixture {
public:
    explicit PartsFixture(EngineOptions options = {})
        : parts(std::move(EngineParts::create(std::move(options), std::make_shared<MemoryPool>(1U << 20U, 1U << 26U)))
                    .value()),
          shared(parts->shared) {}
    ~PartsFixture() {
        {
            const std::lock_guard lock(shared.mutex);
            shared.closing = true;
        }
        shared.supervisor->stop();
    }
    PartsFixture(const PartsFixture&) = delete;
    PartsFixture& operator=(const PartsFixture&) = delete;

    [[nodiscard]] std::unique_lock<std::mutex> lock() const { return std::unique_lock(shared.mutex); }
    // To be called under the lock, for a run whose tasks have all ended.
    void seal(const RunPtr& run) const { shared.scheduler.seal(*run); }
    // To be called under the lock.
    [[nodiscard]] ChildPtr add_child(ChildKind kind) const {
        auto child = std::make_shared<Child>();
        child->kind = kind;
        child->index = static_cast<std::uint32_t>(shared.scheduler.children().size());
        child->restarts = RestartPolicy(shared.options.max_restarts, shared.options.restart_window_ns);
        shared.scheduler.add_child(child);
        return child;
    }

    // On the progress thread, as in an Engine.
    void launch(const ChildPtr& child) const {
        shared.supervisor->run([&] { parts->recovery.launch(child); });
    }

    std::unique_ptr<EngineParts> parts;
    Shared& shared;
};

}  // namespace callring::test
