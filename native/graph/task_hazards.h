// Derives from the tags of a task's tensors which earlier tasks it must follow: one rule for graphs that are executed
// and graphs that are captured.
#pragma once

#include <vector>

#include "graph/hazards.h"
#include "graph/view_region.h"
#include "memory/task_args.h"

namespace callring {

// Records every tensor of `args` and appends the tasks that `task` must follow. `may_forget`: see HazardMap::record.
template <class MayForget>
void record_task(HazardMap& hazards, TaskId task, const TaskArgs& args, std::vector<TaskId>& predecessors,
                 const MayForget& may_forget) {
    for (const TensorArg& argument : args.tensors) {
        if (argument.tag == Tag::no_dep) {
            continue;
        }
        const Region region = region_of(argument.tensor);
        if (argument.tag == Tag::input || argument.tag == Tag::inout) {
            hazards.record_unordered(task, region, Access::read, predecessors, may_forget);
        }
        if (argument.tag != Tag::input) {
            hazards.record_unordered(task, region, Access::write, predecessors, may_forget);
        }
    }
    HazardMap::put_in_order(predecessors);
}

}  // namespace callring
