// Shared: what all parts of one Engine share: its lock, its children and tasks, and whether it starts, works or closes.
// A part holds a reference to it and to the parts below it, never to one above (docs/explanation/the-core.md).
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

    // Constant, but for the descriptors for Python, which close() lets go of.
    EngineOptions options;
    const std::shared_ptr<MemoryPool> pool;
    const std::unique_ptr<ParentBell> bell;
    const std::unique_ptr<Broadcast> broadcast;
    std::unique_ptr<Supervisor> supervisor;  // null once the Engine is closed

    // Torn when memory, and the reserve, ran out while something was changed: then every child is ended, every call
    // fails for want of memory, and only close() is left.
    Books books;
    std::mutex mutex;
    std::condition_variable changed;  // a driver handed over, a child ended, answered, or other threads drained

    // All that follows is under the lock.
    Scheduler scheduler;
    ChildPtr fork_server;  // null while none runs; changed on the progress thread only
    bool started = false;
    std::uint64_t start_deadline_ns = 0;
    std::optional<Error> start_error;  // the first
    bool closing = false;              // nothing new is accepted, and no child is replaced
    bool closed = false;

    // A child that cannot become ready, or does not speak our language, is ended for it.
    void start_failed(Child& child, const Error& error) {
        if (!started && !start_error) {
            start_error = error;
            changed.notify_all();
        }
        child.condemn(error.message);
    }
    // It says what no child may say: nothing that it has said, or says from now on, can be believed.
    void protocol_violation(Child& child, const std::string& what) {
        start_failed(child, {Code::malformed, child.name() + ": protocol violation: " + what});
    }
    // Whether new work may be accepted: what follows from it is done with the reserve if need be. Any thread.
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
