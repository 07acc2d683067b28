// virtual_time: when every task of a graph would begin and end on modelled chips.
// Guarantees: a pure function of its arguments in whole nanoseconds: every run and every machine gives the same result.
// O((tasks + edges) log tasks). Never more than the sum of all tasks, never less than the longest chain of
// dependencies.
//
// It models the engine (schedule/): the parent hands tasks over one by one, as they become ready, and tasks that become
// ready at the same time in the order of their submission. A chip executes its tasks in the order of their hand-over,
// one at a time. A task that follows others on the same chip is handed over directly after them; a task that follows
// tasks elsewhere is handed over when these have ended. Sub-workers take tasks for any of them in the same order, as
// they become idle. The members of a group begin together.
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
    VirtualNs dispatch_ns = 0;    // the parent's time to hand over one task
    std::vector<TaskCost> costs;  // by callable
};

// The result for one frame.
struct VirtualSpan {
    std::int32_t child = 0;  // a chip's placement, or the number of chips plus the index of a sub-worker
    VirtualNs begin_ns = 0;
    VirtualNs end_ns = 0;
};

struct VirtualTime {
    std::vector<VirtualSpan> spans;  // of the frames, in the order of submission
    VirtualNs makespan_ns = 0;       // from 0 to the end of the last task
    VirtualNs critical_path_ns = 0;  // the longest chain of dependencies, each hand-over on it included
    VirtualNs one_by_one_ns = 0;     // the time without any overlap, hand-overs included
};

// Errors: invalid_argument (an impossible placement, callable, group or predecessor; more than kLongestVirtualNs).
[[nodiscard]] Result<VirtualTime> virtual_time(const ModelledGraph& graph, const ModelledMachine& machine);

}  // namespace callring
