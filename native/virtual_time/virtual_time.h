// virtual_time: when every task of a graph would begin and end on chips that are only modelled.
// Guarantees: a pure function of its arguments in whole nanoseconds: every run and every machine gives the same,
// whatever else runs there. O((tasks + edges) log tasks). Never more than one task after the other, never less than the
// longest chain of dependencies.
//
// It does what the engine does (schedule/): the parent hands tasks over one by one, as they become ready, and those
// that are ready at once in the order of their submission. A chip executes them in the order in which they were handed
// over, one at a time. A task that follows others on the same chip is handed over as soon as they were; one that
// follows tasks elsewhere, when these have ended. Sub-workers take the tasks of any of them in the same order, as they
// become idle. The members of a group begin together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "virtual_time/modelled_graph.h"

namespace callring {

struct ModelledMachine {
    std::vector<ChipModel> chips;  // by placement
    std::uint32_t sub_workers = 0;
    VirtualNs dispatch_ns = 0;    // how long the parent is busy with handing over one task
    std::vector<TaskCost> costs;  // by callable
};

// What became of one frame.
struct VirtualSpan {
    std::int32_t child = 0;  // a chip's placement, or the number of chips plus the index of a sub-worker
    VirtualNs begin_ns = 0;
    VirtualNs end_ns = 0;
};

struct VirtualTime {
    std::vector<VirtualSpan> spans;  // of the frames, in the order of submission
    VirtualNs makespan_ns = 0;       // from 0 to the end of the last task
    VirtualNs critical_path_ns = 0;  // the longest chain of dependencies, each hand-over on it included
    VirtualNs one_by_one_ns = 0;     // if no task overlapped another, nor its hand-over
};

// Errors: invalid_argument (a placement, callable, group or predecessor that there is not; more than
// kLongestVirtualNs).
[[nodiscard]] Result<VirtualTime> virtual_time(const ModelledGraph& graph, const ModelledMachine& machine);

}  // namespace callring
