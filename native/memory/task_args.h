// TaskArgs: what a task is called with: tensors with tags, and 64-bit scalars.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/result.h"
#include "memory/tensor.h"

namespace callring {

// How a task uses a tensor. The numbers are those of runtime.Tag.
enum class Tag : std::uint32_t {
    input = 0,            // reads
    output = 1,           // writes every element, reads none
    inout = 2,            // reads and writes
    output_existing = 3,  // writes some elements of a tensor that others filled
    no_dep = 4,           // opts out of dependencies
};

// An array that is not in shared memory may be an input up to this size: it is copied with every submit.
inline constexpr std::size_t kMaxCopiedBytes = std::size_t{64} << 10U;

struct TensorArg {
    TensorView tensor;  // without a buffer while `copied` is set
    Tag tag = Tag::input;
    std::shared_ptr<const std::vector<std::byte>> copied;  // row-major content of an array outside shared memory
};

struct TaskArgs {
    std::vector<TensorArg> tensors;
    std::vector<std::uint64_t> scalars;  // integers, or bit patterns of doubles
};

// The same arguments with every copied array placed into a buffer of `pool`; `args` itself can be used again.
Result<TaskArgs> materialise(const TaskArgs& args, MemoryPool& pool);

}  // namespace callring
