// The argument blob of a frame: `i32 tensors, i32 scalars`, tensor records, `u64` scalars
// (docs/reference/frames.md). One encoder, one decoder; the decoder trusts nothing and validates every count and bound.
//
// A tensor record: `u32 arena, u8 dtype, u8 rank, u8 tag, u8 zero, u64 offset, i64 shape[rank], i64 strides[rank]`;
// offset in bytes from the arena's start to element [0, 0, ...], strides in elements.
//
// In a frame with kFrameOpaque, `u32 count` and `count` opaque bytes follow the blob: arguments that are neither tensor
// nor scalar, for instance a pickled call. They are not interpreted and not aligned.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "callring/chip.h"
#include "common/result.h"
#include "lane/layout.h"
#include "memory/arena_map.h"
#include "memory/task_args.h"

namespace callring {

// Bytes that encode_arguments() writes: the blob, and the opaque bytes if there are any.
[[nodiscard]] std::uint64_t argument_bytes(const TaskArgs& args) noexcept;
// The position of the scalars in these bytes.
[[nodiscard]] std::uint64_t scalars_offset(const TaskArgs& args) noexcept;
// `out` holds at least argument_bytes(args).
void encode_arguments(const TaskArgs& args, std::span<std::byte> out) noexcept;

// Decoded arguments, with addresses of the process that decoded them. Reused for each frame, so that only the first
// frames allocate memory.
struct DecodedArguments {
    std::vector<callring_tensor> tensors;
    std::vector<Tag> tags;
    std::vector<std::uint64_t> scalars;
    std::span<const std::byte> opaque;  // in the frame or its spill: valid until the frame is completed
};

// Decodes the arguments of `frame`, which may lie in its spill. Errors: malformed (counts, ranks, dtypes, sizes), and
// the errors of ArenaMap::resolve for bytes outside shared memory.
Result<void> decode_arguments(const Frame& frame, const ArenaMap& arenas, DecodedArguments& out);
// The same for a bare argument blob, with or without opaque bytes behind it.
Result<void> decode_argument_blob(std::span<const std::byte> blob, const ArenaMap& arenas, DecodedArguments& out,
                                  bool opaque = false);

}  // namespace callring
