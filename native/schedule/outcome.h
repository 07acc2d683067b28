// What a child may say of a task: a kernel may have written over the lane, or written into it what it likes, so the
// parent believes nothing that such a child could not have said.
#pragma once

#include <string_view>

#include "common/result.h"
#include "lane/layout.h"
#include "task/task.h"

namespace callring {

// What is wrong with `code` and `payload` as what a child of that kind made of `task`, or with the times of
// `completion` as when it did; null if nothing is. Only what Python children return is ever unpickled: a chip returns
// no values.
[[nodiscard]] const char* wrong_outcome(ChildKind kind, const Task& task, const Completion& completion, Code code,
                                        std::string_view payload, std::uint64_t now_ns) noexcept;

}  // namespace callring
