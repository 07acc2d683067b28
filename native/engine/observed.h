// Snapshots of an Engine: its children, counters and traces.
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
    std::map<Digest, std::uint32_t> installed;  // number of registrations by identity
};

struct EngineStats {
    TaskCounts tasks;
    std::uint64_t pending = 0;
    std::uint64_t runs = 0;          // that are under way
    std::uint64_t restarts = 0;      // children that were started again
    std::uint64_t submit_waits = 0;  // submits that waited at a bound
    std::uint64_t bytes_in_use = 0;  // of shared memory, in buffers
    std::uint64_t bytes_mapped = 0;  // of shared memory, in arenas
};

struct EngineTrace {
    std::vector<TaskSpan> tasks;
    std::vector<CoreSpanOfTask> cores;
    std::uint64_t dropped = 0;
};

// A view of a part of the recorded trace: all spans stay recorded.
struct TraceGlimpse {
    std::uint64_t recorded = 0;   // tasks since the last take_trace()
    std::uint64_t step = 1;       // `ended` has every `step`-th task after `since`
    std::vector<TaskSpan> ended;  // in the order in which they ended; without the tasks that they waited for
    std::vector<TaskSpan> begun;  // of each child that is at work, the first task that has not ended
};

}  // namespace callring
