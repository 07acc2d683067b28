// Surroundings: the scheduler's interface to everything except its own memory and the lanes. The scheduler reads the
// time, wakes children, and reports events through it. In a Worker it is the Engine, whose lock orders all calls; in
// native/tests/simulate it is a simulation.
#pragma once

#include <cstdint>
#include <string>

#include "children/child.h"
#include "task/run.h"

namespace callring {

class Surroundings {
public:
    Surroundings() = default;
    Surroundings(const Surroundings&) = delete;
    Surroundings& operator=(const Surroundings&) = delete;

    // The clock that children use for their times, too: CLOCK_MONOTONIC, or the time of a simulation. In nanoseconds,
    // never 0.
    [[nodiscard]] virtual std::uint64_t now_ns() const noexcept = 0;
    // New frames are in the lane of `child`, which may be asleep.
    virtual void wake(Child& child) = 0;

    // The last accepted task of a callable has ended.
    virtual void on_callable_idle(const CallablePtr& callable) = 0;
    // A child's lane has invalid data: it was written over, or the child broke the protocol.
    virtual void on_protocol_violation(Child& child, const std::string& what) = 0;
    // A sealed run has ended.
    virtual void on_run_finished(Run& run) = 0;
    // A check is due at `at_ns`: the deadline of a frame can be exceeded (Child::look_at_ns), or tasks behind slow ones
    // may have to be rebalanced (Scheduler::balance_at_ns()).
    virtual void on_deadline_set(std::uint64_t at_ns) = 0;

protected:
    ~Surroundings() = default;
};

}  // namespace callring
