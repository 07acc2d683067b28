// Shared: the state that all parts of one Engine share: its lock, its children and tasks, and whether it starts, works
// or closes. A part refers to it and to parts below itself, never to one above (docs/explanation/the-core.md).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "common/result.h"
#include "control/broadcast.h"
#include "engine/options.h"
#include "lane/bell.h"
#include "memory/pool.h"
#include "memory/reserve.h"
#include "processes/supervisor.h"
#include "schedule/scheduler.h"

namespace callring {

enum class Waited : std::uint8_t { done, timed_out, interrupted };

struct Shared {
    Shared(EngineOptions given, std::shared_ptr<MemoryPool> memory, std::unique_ptr<ParentBell> its_bell,
           std::unique_ptr<Broadcast> notices, Surroundings& outside, std::size_t cores)
        : options(std::move(given)),
          pool(std::move(memory)),
          bell(std::move(its_bell)),
          broadcast(std::move(notices)),
          scheduler(outside, cores) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    // Constant, except for the descriptors for Python, which close() closes.
    EngineOptions options;
    const std::shared_ptr<MemoryPool> pool;
    const std::unique_ptr<ParentBell> bell;
    const std::unique_ptr<Broadcast> broadcast;
    std::unique_ptr<Supervisor> supervisor;  // null once the Engine is closed

    // Torn when memory and the reserve ran out in the middle of a change: then every child is ended, and every call but
    // close() fails with out_of_memory.
    Books books;
    std::mutex mutex;
    // Notified when a driver stops, a child ends or answers, or another thread has drained the lanes.
    std::condition_variable changed;

    // All of the following is guarded by the lock.
    Scheduler scheduler;
    ChildPtr fork_server;  // null if none runs; changed on the progress thread only
    bool started = false;
    std::uint64_t start_deadline_ns = 0;
    std::optional<Error> start_error;  // the first one
    bool closing = false;              // no work is accepted, and no child is replaced
    bool closed = false;

    // Ends a child that cannot become ready or does not use this version's protocol.
    void start_failed(Child& child, const Error& error) {
        if (!started && !start_error) {
            start_error = error;
            changed.notify_all();
        }
        child.condemn(error.message);
    }
    // Ends a child that broke the protocol: none of its messages can be trusted.
    void protocol_violation(Child& child, const std::string& what) {
        start_failed(child, {Code::malformed, child.name() + ": protocol violation: " + what});
    }
    // Whether new work may be accepted. It is refused unless the whole memory reserve is left for finishing accepted
    // work. Any thread.
    [[nodiscard]] Result<void> check_memory() const {
        if (!memory_reserve_is_whole()) {
            return Error{Code::out_of_memory, "no memory is left to keep track of more work"};
        }
        if (books.torn) {
            return Error{Code::out_of_memory, "the Worker ran out of memory in the middle of its work; close it"};
        }
        return {};
    }
};

}  // namespace callring
