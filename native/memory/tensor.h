// TensorView: a strided view of a buffer, the host's form of callring_tensor. Views of one tensor share its buffer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "callring/chip.h"
#include "memory/pool.h"

namespace callring {

// Bytes of one element; 0 for an unknown dtype.
inline constexpr std::array<std::uint8_t, 13> kElementBytes{1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 2};
[[nodiscard]] constexpr std::uint64_t element_bytes(std::uint32_t dtype) noexcept {
    return dtype < kElementBytes.size() ? kElementBytes[dtype] : 0;
}

struct TensorView {
    std::shared_ptr<Buffer> buffer;
    std::uint64_t offset = 0;  // bytes from the arena's start to element [0, 0, ...]
    std::uint32_t dtype = CALLRING_FLOAT32;
    std::uint32_t rank = 0;
    std::array<std::int64_t, CALLRING_MAX_RANK> shape{};
    std::array<std::int64_t, CALLRING_MAX_RANK> strides{};  // in elements
    bool read_only = false;  // it came from the Worker above as an input: no task may write it

    [[nodiscard]] std::byte* data() const noexcept { return buffer->data() + (offset - buffer->offset()); }
    [[nodiscard]] std::uint64_t elements() const noexcept {
        std::uint64_t count = 1;
        for (std::uint32_t i = 0; i < rank; ++i) {
            count *= static_cast<std::uint64_t>(shape[i]);
        }
        return count;
    }
};

}  // namespace callring
