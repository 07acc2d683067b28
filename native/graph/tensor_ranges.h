// The bytes that a strided view touches, as ranges for a HazardMap. Guarantees: every touched byte is covered; exact
// as long as kMaxRangesOfView contiguous pieces are enough, else the innermost gaps are covered too (at worst the
// hull).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "graph/hazards.h"

namespace callring {

inline constexpr std::size_t kMaxRangesOfView = 64;

// Appends the ranges of one view to `ranges`: ascending, disjoint, adjacent ones merged; none for a view without
// elements. `base` is the position of element [0, 0, ...] within `space`; strides count elements and may be
// negative or zero. `shape` and `strides` have the same length, at most CALLRING_MAX_RANK, and must lie inside the
// space (validated by who made the view). A raw pointer on a chip is space 0 with the address as base.
void append_ranges(std::uint64_t space, std::uint64_t base, std::uint64_t element_bytes,
                   std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
                   std::vector<ByteRange>& ranges);

}  // namespace callring
