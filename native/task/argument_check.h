// Checks a task's arguments at submit: the numbers of tensors and scalars of the signature, and that no bytes are
// written through two arguments. Writing bytes that another argument reads is allowed, as an update in place. The
// arguments of a node are not checked here: the node checks the tasks that it submits.
#pragma once

#include "common/result.h"
#include "memory/task_args.h"
#include "task/callable.h"
#include "task/task.h"

namespace callring {

Result<void> look_at_arguments(const Callable& callable, const TaskArgs& args, std::int32_t placement);

// `placement`: see Task::placement. Error: invalid_argument, with a message that continues the callable's name.
inline Result<void> check_arguments(const Callable& callable, const TaskArgs& args, std::int32_t placement) {
    const auto& signature = callable.spec.signature;
    if (args.tensors.size() < 2 &&
        (!signature || (args.tensors.size() == signature->tensors && args.scalars.size() == signature->scalars))) {
        return {};  // one tensor cannot overlap another
    }
    return look_at_arguments(callable, args, placement);
}

}  // namespace callring
