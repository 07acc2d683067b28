// What a task's arguments must be for its callable, found out when it is submitted: as many tensors and scalars as a
// signature has, and no bytes that it would write through two of them. Writing bytes that another argument reads is in
// place, and the callable's own affair. So is what a node is given: the tasks that it makes of it are looked at there.
#pragma once

#include "common/result.h"
#include "memory/task_args.h"
#include "task/callable.h"
#include "task/task.h"

namespace callring {

Result<void> look_at_arguments(const Callable& callable, const TaskArgs& args, std::int32_t placement);

// `placement` as Task::placement. Error, whose message follows the callable's name: invalid_argument.
inline Result<void> check_arguments(const Callable& callable, const TaskArgs& args, std::int32_t placement) {
    const auto& signature = callable.spec.signature;
    if (args.tensors.size() < 2 &&
        (!signature || (args.tensors.size() == signature->tensors && args.scalars.size() == signature->scalars))) {
        return {};  // two tensors are needed to write the same bytes
    }
    return look_at_arguments(callable, args, placement);
}

}  // namespace callring
