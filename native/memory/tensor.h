// TensorView: a strided view of a shared buffer, and the views derived from it. Guarantees: every view made here stays
// within its buffer and keeps that buffer's identity; nothing is copied.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "callring/chip.h"
#include "common/result.h"
#include "memory/pool.h"

namespace callring {

inline constexpr std::uint32_t kMaxRank = CALLRING_MAX_RANK;

struct TensorView {
    std::shared_ptr<Buffer> buffer;
    std::uint64_t offset = 0;  // of element [0, 0, ...], in bytes from the arena's start
    std::uint32_t dtype = 0;   // enum callring_dtype
    std::uint32_t rank = 0;
    std::array<std::int64_t, kMaxRank> shape{};
    std::array<std::int64_t, kMaxRank> strides{};  // in elements, may be negative; zero beyond rank

    [[nodiscard]] std::byte* data() const noexcept { return buffer->data() + (offset - buffer->offset()); }
    [[nodiscard]] std::span<const std::int64_t> dimensions() const noexcept { return {shape.data(), rank}; }
    [[nodiscard]] std::span<const std::int64_t> steps() const noexcept { return {strides.data(), rank}; }
};

// Bytes of one element; 0 for a number that is no dtype.
[[nodiscard]] std::uint64_t element_bytes(std::uint32_t dtype) noexcept;
// NumPy's names ("float32", "bool", ...) and "bfloat16"; empty for a number that is no dtype.
[[nodiscard]] std::string_view dtype_name(std::uint32_t dtype) noexcept;
[[nodiscard]] std::optional<std::uint32_t> dtype_from_name(std::string_view name) noexcept;

[[nodiscard]] std::uint64_t element_count(const TensorView& view) noexcept;
[[nodiscard]] inline std::uint64_t content_bytes(const TensorView& view) noexcept {
    return element_count(view) * element_bytes(view.dtype);
}
// Row-major without gaps.
[[nodiscard]] bool is_contiguous(const TensorView& view) noexcept;
// The smallest [begin, end) in bytes from the arena's start that holds every element; begin == end without elements.
[[nodiscard]] std::pair<std::uint64_t, std::uint64_t> byte_hull(const TensorView& view) noexcept;
// "float32 (4, 5)", for messages.
[[nodiscard]] std::string describe(const TensorView& view);

// Bytes that a contiguous tensor needs. Code::invalid_argument for a negative extent, more than kMaxRank axes, an
// unknown dtype or a size beyond 2^63 bytes.
Result<std::uint64_t> required_bytes(std::uint32_t dtype, std::span<const std::int64_t> shape);
// A new contiguous tensor, contents undefined.
Result<TensorView> allocate_tensor(MemoryPool& pool, std::uint32_t dtype, std::span<const std::int64_t> shape);

// view[..., index, ...]: without that axis. `index` counts from the end when negative; Code::invalid_argument outside.
Result<TensorView> select(const TensorView& view, std::uint32_t axis, std::int64_t index);
// view[..., start::step, ...] with `count` elements, all of which must exist in that axis.
Result<TensorView> slice(const TensorView& view, std::uint32_t axis, std::int64_t start, std::int64_t step,
                         std::int64_t count);
// Axis i of the result is axis axes[i] of `view`; `axes` is a permutation.
Result<TensorView> transpose(const TensorView& view, std::span<const std::int64_t> axes);
// The same elements in row-major order under another shape; one extent may be -1. Only for a contiguous view: anything
// else would need a copy.
Result<TensorView> reshape(const TensorView& view, std::span<const std::int64_t> shape);

}  // namespace callring
