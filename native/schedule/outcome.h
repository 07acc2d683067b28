// Checks a child's report of a task: a kernel may have written anything into the lane, so the parent refuses reports
// that a correct child cannot send.
#pragma once

#include <string_view>

#include "common/result.h"
#include "lane/layout.h"
#include "task/task.h"

namespace callring {

// Describes what is wrong with `code`, `payload` or the times of `completion` for `task` and this kind of child; null
// if they are valid. Only values of Python children are ever unpickled: a chip returns no values.
[[nodiscard]] const char* wrong_outcome(ChildKind kind, const Task& task, const Completion& completion, Code code,
                                        std::string_view payload, std::uint64_t now_ns) noexcept;

}  // namespace callring
