// Which earlier tasks a task must follow, from the tags of its tensors: one rule for executing a graph and for
// recording it only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/hazards.h"
#include "graph/tensor_ranges.h"
#include "memory/task_args.h"

namespace callring {

// Records every tensor of `args` and appends the tasks that `task` must follow. `may_forget` as HazardMap::record;
// `ranges` is room to work in, so that a caller of many tasks allocates it once.
template <class MayForget>
void record_task(HazardMap& hazards, TaskId task, const TaskArgs& args, std::vector<ByteRange>& ranges,
                 std::vector<TaskId>& predecessors, const MayForget& may_forget) {
    for (const TensorArg& argument : args.tensors) {
        if (argument.tag == Tag::no_dep) {
            continue;
        }
        ranges.clear();
        const TensorView& tensor = argument.tensor;
        append_ranges(tensor.buffer->id(), tensor.offset, element_bytes(tensor.dtype),
                      std::span(tensor.shape).first(tensor.rank), std::span(tensor.strides).first(tensor.rank), ranges);
        if (argument.tag == Tag::input || argument.tag == Tag::inout) {
            hazards.record(task, ranges, Access::read, predecessors, may_forget);
        }
        if (argument.tag != Tag::input) {
            hazards.record(task, ranges, Access::write, predecessors, may_forget);
        }
    }
}

}  // namespace callring
