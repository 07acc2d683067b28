// BlockAllocator: allocates the bytes of one arena, or of a lane's store. Best fit with coalescing of neighbours, O(log
// n). Guarantees: blocks are 64-byte aligned and never overlap; freeing everything gives one free block again. Not
// thread-safe: its owner orders all calls.
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
    explicit BlockAllocator(std::uint64_t size) { insert(0, size / kBlockAlignment * kBlockAlignment); }

    // The size of the block for `bytes` bytes: at least one unit, so that every block has a distinct address.
    [[nodiscard]] static constexpr std::uint64_t rounded(std::uint64_t bytes) noexcept {
        return bytes == 0 ? kBlockAlignment : (bytes + kBlockAlignment - 1) / kBlockAlignment * kBlockAlignment;
    }

    // Allocates a block of rounded(bytes). Returns its offset, or nothing if no free block is large enough.
    std::optional<std::uint64_t> allocate(std::uint64_t bytes) {
        const std::uint64_t wanted = rounded(bytes);
        const auto best = by_size_.lower_bound({wanted, 0});
        if (best == by_size_.end()) {
            return std::nullopt;
        }
        const auto [size, offset] = *best;
        erase(offset, size);
        if (size > wanted) {
            insert(offset + wanted, size - wanted);
        }
        return offset;
    }

    // Frees a block that allocate(bytes) returned.
    void release(std::uint64_t offset, std::uint64_t bytes) {
        std::uint64_t begin = offset;
        std::uint64_t size = rounded(bytes);
        const auto next = by_offset_.lower_bound(offset);
        if (next != by_offset_.begin()) {
            const auto [before, length] = *std::prev(next);
            if (before + length == offset) {
                erase(before, length);
                begin = before;
                size += length;
            }
        }
        if (const auto behind = by_offset_.find(begin + size); behind != by_offset_.end()) {
            const std::uint64_t length = behind->second;
            erase(begin + size, length);
            size += length;
        }
        insert(begin, size);
    }

    // The sizes of the free blocks, by offset.
    [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& free_blocks() const noexcept { return by_offset_; }

private:
    void insert(std::uint64_t offset, std::uint64_t size) {
        if (size > 0) {
            by_offset_.emplace(offset, size);
            by_size_.emplace(size, offset);
        }
    }
    void erase(std::uint64_t offset, std::uint64_t size) {
        by_offset_.erase(offset);
        by_size_.erase({size, offset});
    }

    std::map<std::uint64_t, std::uint64_t> by_offset_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> by_size_;
};

}  // namespace callring
