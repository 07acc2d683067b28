// BlockAllocator: hands out disjoint blocks of the offsets [0, capacity). Best fit with coalescing, O(log n) in the
// number of free blocks. Guarantees: blocks are aligned to kBlockAlignment; when everything is released, one free block
// is left. Knows nothing of memory itself. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace callring {

inline constexpr std::uint64_t kBlockAlignment = 64;

class BlockAllocator {
public:
    // A capacity that is not a multiple of the alignment loses its tail.
    explicit BlockAllocator(std::uint64_t capacity);

    // Offset of a block of at least `bytes` (zero counts as one), or nothing if no free block is large enough.
    std::optional<std::uint64_t> allocate(std::uint64_t bytes);
    // Returns a block; `bytes` as it was asked for.
    void release(std::uint64_t offset, std::uint64_t bytes);

    [[nodiscard]] std::uint64_t bytes_in_use() const noexcept { return bytes_in_use_; }  // rounded to the alignment
    [[nodiscard]] std::size_t free_block_count() const noexcept { return by_offset_.size(); }

private:
    void add_free(std::uint64_t offset, std::uint64_t size);

    std::map<std::uint64_t, std::uint64_t> by_offset_;           // offset to size
    std::set<std::pair<std::uint64_t, std::uint64_t>> by_size_;  // size, offset: the smallest that fits, lowest first
    std::uint64_t bytes_in_use_ = 0;
};

}  // namespace callring
