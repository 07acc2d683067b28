// Surroundings: all that the scheduler knows of the world outside of its own memory and of the lanes. It asks for the
// time, has children woken, and tells what has happened. In a Worker that is the Engine, under whose lock all of this
// happens; in native/tests/simulate it is a simulation.
#pragma once

#include <cstdint>
#include <string>

#include "children/child.h"
#include "task/task.h"

namespace callring {

class Surroundings {
public:
    Surroundings() = default;
    Surroundings(const Surroundings&) = delete;
    Surroundings& operator=(const Surroundings&) = delete;

    // On one clock with what children note: CLOCK_MONOTONIC, or the time of a simulation. In nanoseconds, never 0.
    [[nodiscard]] virtual std::uint64_t now_ns() const noexcept = 0;
    // New frames lie in the lane of `child`, which may sleep.
    virtual void wake(Child& child) = 0;

    // The last accepted task of a callable has ended.
    virtual void on_callable_idle(const CallablePtr& callable) = 0;
    // A child's lane does not hold what such a child writes: its memory was written over, or the child lies.
    virtual void on_protocol_violation(Child& child, const std::string& what) = 0;
    // A sealed run has ended.
    virtual void on_run_finished(Run& run) = 0;
    // Something is due at `at_ns`: a deadline of a frame can be exceeded (Child::look_at_ns), or what waits behind slow
    // tasks is to be looked at (Scheduler::balance_at_ns()).
    virtual void on_deadline_set(std::uint64_t at_ns) = 0;

protected:
    ~Surroundings() = default;
};

}  // namespace callring
