// What an Engine tells of itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "common/child_end.h"
#include "schedule/scheduler.h"

namespace callring {

struct ChildSnapshot {
    ChildKind kind;
    std::uint32_t id;
    pid_t pid;  // -1 between two incarnations
    std::uint32_t incarnation;
    ChildState state;
    std::uint64_t completed;
    std::shared_ptr<const ChildEnd> last_end;   // how the previous incarnation ended; null for the first
    std::map<Digest, std::uint32_t> installed;  // identity to number of registrations
};

struct EngineStats {
    TaskCounts tasks;
    std::uint64_t pending = 0;
    std::uint64_t runs = 0;          // under way
    std::uint64_t restarts = 0;      // replacements of children
    std::uint64_t submit_waits = 0;  // submits that met a bound and waited
    std::uint64_t bytes_in_use = 0;  // of shared memory
    std::uint64_t bytes_mapped = 0;  // of it, in arenas
};

struct EngineTrace {
    std::vector<TaskSpan> tasks;
    std::vector<CoreSpanOfTask> cores;
    std::uint64_t dropped = 0;
};

// A look at a trace that goes on, without taking anything.
struct TraceGlimpse {
    std::uint64_t recorded = 0;   // tasks since the trace was taken last
    std::uint64_t step = 1;       // one of so many of those after `since` is given
    std::vector<TaskSpan> ended;  // in the order in which they ended; without what they waited for
    std::vector<TaskSpan> begun;  // by each child that is at work: the first that it has not ended
};

}  // namespace callring
