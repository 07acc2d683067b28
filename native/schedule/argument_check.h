// What a task's arguments must be for its callable, found out when it is submitted: as many tensors and scalars as a
// signature has, and no bytes that it would write through two of them. Writing bytes that another argument reads is in
// place, and the callable's own affair. So is what a node is given: the tasks that it makes of it are looked at there.
#pragma once

#include "common/result.h"
#include "memory/task_args.h"
#include "registry/callable.h"
#include "schedule/task.h"

namespace callring {

// `placement` as Task::placement. Error, whose message follows the callable's name: invalid_argument.
Result<void> check_arguments(const Callable& callable, const TaskArgs& args, std::int32_t placement);

}  // namespace callring
