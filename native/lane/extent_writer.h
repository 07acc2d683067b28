// ExtentWriter: the child's end of a lane's store, where large results lie. It allocates the blocks of the store.
// New pages, which the system clears, cost ten times as much as writing existing ones. So blocks that the parent gives
// back are reused if they fit; of the blocks that wait for reuse, at most kMostUnusedBytes bytes keep their pages, and
// none after the child has been idle for a while. Guarantees: extents that the parent holds are not written; a lack of
// memory for a result is an error, not a signal. Used by one thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "lane/layout.h"
#include "memory/block_allocator.h"

namespace callring {

class ExtentWriter {
public:
    // Covers `range` of the file `fd`, which outlives this. `given_back` is LaneHeader::extents_given_back.
    ExtentWriter(int fd, StoreRange range, std::atomic<std::uint64_t>& given_back);
    ExtentWriter(const ExtentWriter&) = delete;
    ExtentWriter& operator=(const ExtentWriter&) = delete;
    ~ExtentWriter();

    // Writes `bytes` into an extent. Error: out_of_memory.
    Result<ExtentRecord> write(std::span<const std::byte> bytes) noexcept;
    // Frees an extent that no completion refers to.
    void withdraw(const ExtentRecord& extent);

    // Whether unused blocks have pages.
    [[nodiscard]] bool keeps_pages() const noexcept {
        return !kept_.empty() || given_back_.load(std::memory_order_relaxed) != 0;
    }
    // Returns the pages of unused blocks to the system.
    void trim();

private:
    struct Block {
        std::uint64_t begin;
        std::uint64_t bytes;
    };
    struct Mapping {
        std::byte* data;
        std::uint64_t bytes;
    };
    Result<ExtentRecord> place(std::span<const std::byte> bytes);
    void take_back();
    void keep(const Block& block);
    void release_oldest();
    std::optional<Block> take_kept(std::uint64_t bytes);
    [[nodiscard]] std::optional<std::uint64_t> allocate(std::uint64_t bytes);
    void release(const Block& block);
    [[nodiscard]] std::byte* mapped(const Block& block);
    void unmap(std::uint64_t cell);
    Result<void> put(std::uint64_t offset, std::span<const std::byte> bytes) const;
    [[nodiscard]] std::uint64_t link_of(std::uint64_t offset) const;

    int fd_;
    StoreRange range_;
    std::atomic<std::uint64_t>& given_back_;
    BlockAllocator cells_;                                  // whole cells
    std::map<std::uint64_t, BlockAllocator> shared_cells_;  // cells with blocks smaller than a cell, by start
    std::map<std::uint64_t, Mapping> mappings_;             // by the start of the first cell
    std::unordered_map<std::uint64_t, Block> told_;         // written extents that were not given back, by offset
    std::vector<Block> kept_;                               // unused blocks with pages, the oldest first
    std::uint64_t kept_bytes_ = 0;
};

}  // namespace callring
