// The bytes that a tensor touches, in the space of its buffer.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "graph/region.h"
#include "memory/tensor.h"

namespace callring {

// Positions count from the buffer's start, so that the rows of a matrix begin at multiples of their stride.
[[nodiscard]] inline Region region_of(const TensorView& tensor) noexcept {
    return region_of(tensor.buffer->id(), tensor.offset - tensor.buffer->offset(), element_bytes(tensor.dtype),
                     std::span(tensor.shape).first(tensor.rank), std::span(tensor.strides).first(tensor.rank));
}

// The bytes of `view`, from its first element to the end of its last one, as offsets in its arena.
[[nodiscard]] inline std::pair<std::uint64_t, std::uint64_t> extent(const TensorView& view) {
    const std::uint64_t element = element_bytes(view.dtype);
    std::uint64_t low = view.offset;
    std::uint64_t high = view.offset + element;
    for (std::uint32_t i = 0; i < view.rank; ++i) {
        if (view.shape.at(i) == 0) {
            return {view.offset, view.offset};
        }
        const std::int64_t reach = (view.shape.at(i) - 1) * view.strides.at(i) * static_cast<std::int64_t>(element);
        (reach < 0 ? low : high) += static_cast<std::uint64_t>(reach);
    }
    return {low, high};
}

}  // namespace callring
