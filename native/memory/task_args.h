// TaskArgs: the arguments of one task: tensors with tags, 64-bit scalars, and opaque bytes for its callable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/tensor.h"

namespace callring {

// How a task uses a tensor; dependencies follow from it. The numbers travel in frames.
enum class Tag : std::uint8_t { input = 0, output = 1, inout = 2, output_existing = 3, no_dep = 4 };

struct TensorArg {
    TensorView tensor;
    Tag tag = Tag::input;
};

struct TaskArgs {
    std::vector<TensorArg> tensors;
    std::vector<std::uint64_t> scalars;
    std::string opaque;
};

// Arguments that tasks share: immutable from the first submit on.
using ArgsPtr = std::shared_ptr<const TaskArgs>;

// The arguments of a task that has none: one object, which every thread of this process reads and the process never
// deletes. The pointer has no owner count: to copy it, a submitting thread changes no memory that other threads use.
[[nodiscard]] inline ArgsPtr no_arguments() {
    static const auto* const none = new TaskArgs();  // never deleted
    return {ArgsPtr(), none};
}

}  // namespace callring
