// The bytes that a tensor touches, in the space of its buffer.
#pragma once

#include <span>
#include <vector>

#include "graph/tensor_ranges.h"
#include "memory/tensor.h"

namespace callring {

inline void append_ranges(const TensorView& tensor, std::vector<ByteRange>& ranges) {
    append_ranges(tensor.buffer->id(), tensor.offset, element_bytes(tensor.dtype),
                  std::span(tensor.shape).first(tensor.rank), std::span(tensor.strides).first(tensor.rank), ranges);
}

}  // namespace callring
