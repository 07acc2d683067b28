// Tensors for tests: buffers of float32, and views of them.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "memory/pool.h"
#include "memory/task_args.h"

namespace callring::test {

inline std::shared_ptr<Buffer> make_buffer(std::uint64_t elements = 16) {
    static const auto pool = std::make_shared<MemoryPool>(1U << 20U, 1U << 24U);
    return std::move(pool->allocate(elements * 4)).value();
}

// `count` elements from `from` on, `stride` apart.
inline TensorView view_of(const std::shared_ptr<Buffer>& buffer, std::uint64_t from = 0, std::int64_t count = 16,
                          std::int64_t stride = 1) {
    TensorView view;
    view.buffer = buffer;
    view.offset = buffer->offset() + (from * 4);
    view.rank = 1;
    view.shape[0] = count;
    view.strides[0] = stride;
    return view;
}

inline std::shared_ptr<TaskArgs> args_of(std::vector<TensorArg> tensors, std::vector<std::uint64_t> scalars = {}) {
    auto args = std::make_shared<TaskArgs>();
    args->tensors = std::move(tensors);
    args->scalars = std::move(scalars);
    return args;
}

}  // namespace callring::test
