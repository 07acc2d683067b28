#include "lane/extent_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <new>
#include <string>

#include "common/system_calls.h"
#include "common/system_error.h"
#include "common/tuning.h"
#include "lane/damaged.h"
#include "lane/given_back.h"

namespace callring {

namespace {

constexpr std::uint64_t kPagesAreGone = 1;  // the lowest bit of a link

constexpr std::uint64_t in_cells(std::uint64_t bytes) noexcept {
    return (bytes + kCell - 1) / kCell * kCell;
}

Error no_room(std::size_t bytes, const std::string& why) {
    return {Code::out_of_memory, "no memory is left for " + std::to_string(bytes) + " bytes of a result: " + why};
}

}  // namespace

ExtentWriter::ExtentWriter(int fd, StoreRange range, std::atomic<std::uint64_t>& given_back)
    : fd_(fd), range_(range), given_back_(given_back), cells_(range.bytes) {}

ExtentWriter::~ExtentWriter() {
    for (const auto& [cell, mapping] : mappings_) {
        sys::munmap(mapping.data, mapping.bytes);
    }
}

Result<ExtentRecord> ExtentWriter::write(std::span<const std::byte> bytes) noexcept {
    try {
        return place(bytes);
    } catch (const std::bad_alloc&) {
        return Error{Code::out_of_memory, {}};
    }
}

Result<ExtentRecord> ExtentWriter::place(std::span<const std::byte> bytes) {
    take_back();
    if (bytes.size() > range_.bytes) {
        return no_room(bytes.size(), "the store of this child has " + std::to_string(range_.bytes) + " bytes");
    }
    const std::uint64_t wanted = block_bytes(bytes.size());
    auto block = take_kept(wanted);
    std::byte* place = block ? mapped(*block) : nullptr;
    if (!block) {
        auto begin = allocate(wanted);
        if (!begin) {
            trim();
            begin = allocate(wanted);
        }
        if (!begin) {
            return no_room(bytes.size(), "the results that the parent still holds fill the store of this child");
        }
        block = Block{*begin, wanted};
    }
    const ExtentRecord record{block->begin + kExtentHeader, bytes.size()};
    if (place != nullptr) {
        std::memcpy(place + kExtentHeader, bytes.data(), bytes.size());
    } else if (auto written = put(record.offset, bytes); !written) {
        release(*block);
        return no_room(bytes.size(), written.error().message);
    }
    told_.emplace(record.offset, *block);
    return record;
}

void ExtentWriter::withdraw(const ExtentRecord& extent) {
    const auto told = told_.find(extent.offset);
    keep(told->second);
    told_.erase(told);
}

void ExtentWriter::trim() {
    take_back();
    while (!kept_.empty()) {
        release_oldest();
    }
}

// ---- given-back blocks ----------------------------------------------------------------------------------------------

void ExtentWriter::take_back() {
    for (std::uint64_t link = take_given_back(given_back_); link != 0;) {
        const std::uint64_t offset = link & ~kPagesAreGone;
        const auto told = told_.find(offset);
        if (told == told_.end()) {
            end_damaged();
        }
        const Block block = told->second;
        told_.erase(told);
        const bool gone = (link & kPagesAreGone) != 0;
        link = link_of(offset);
        if (gone) {
            release(block);
        } else {
            keep(block);
        }
    }
}

std::uint64_t ExtentWriter::link_of(std::uint64_t offset) const {
    const std::uint64_t at = offset - kExtentHeader;
    const auto next = mappings_.upper_bound(at);
    std::uint64_t link = 0;
    if (next != mappings_.begin()) {
        const auto& [begin, mapping] = *std::prev(next);
        if (at - begin < mapping.bytes) {
            std::memcpy(&link, mapping.data + (at - begin), sizeof link);
            return link;
        }
    }
    if (sys::pread(fd_, &link, sizeof link, static_cast<off_t>(range_.begin + at)) != sizeof link) {
        end_damaged();
    }
    return link;
}

// ---- blocks with pages ----------------------------------------------------------------------------------------------

void ExtentWriter::keep(const Block& block) {
    kept_.push_back(block);
    kept_bytes_ += block.bytes;
    while (kept_bytes_ > tuning::kMostUnusedBytes || kept_.size() > tuning::kMostUnusedBlocks) {
        release_oldest();
    }
}

void ExtentWriter::release_oldest() {
    const Block block = kept_.front();
    kept_.erase(kept_.begin());
    kept_bytes_ -= block.bytes;
    release(block);
}

// A reused block is at most a quarter larger than needed: a result that is kept must not hold much unused memory.
std::optional<ExtentWriter::Block> ExtentWriter::take_kept(std::uint64_t bytes) {
    auto best = kept_.end();
    for (auto block = kept_.begin(); block != kept_.end(); ++block) {
        // Prefers the last of equally large blocks, because its pages were used most recently.
        if (block->bytes >= bytes && block->bytes - bytes <= bytes / 4 &&
            (best == kept_.end() || block->bytes <= best->bytes)) {
            best = block;
        }
    }
    if (best == kept_.end()) {
        return std::nullopt;
    }
    const Block block = *best;
    kept_bytes_ -= block.bytes;
    kept_.erase(best);
    return block;
}

// ---- blocks without pages -------------------------------------------------------------------------------------------

std::optional<std::uint64_t> ExtentWriter::allocate(std::uint64_t bytes) {
    if (bytes > kCell) {
        return cells_.allocate(in_cells(bytes));
    }
    for (auto& [cell, free] : shared_cells_) {
        if (const auto begin = free.allocate(bytes)) {
            return cell + *begin;
        }
    }
    const auto cell = cells_.allocate(kCell);
    if (!cell) {
        return std::nullopt;
    }
    // An empty cell has room for every block that is not larger than a cell.
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access)
    return *cell + *shared_cells_.emplace(*cell, BlockAllocator(kCell)).first->second.allocate(bytes);
}

void ExtentWriter::release(const Block& block) {
    sys::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range_.begin + block.begin),
                   static_cast<off_t>(block.bytes));
    if (block.bytes > kCell) {
        unmap(block.begin);
        cells_.release(block.begin, in_cells(block.bytes));
        return;
    }
    const std::uint64_t cell = block.begin / kCell * kCell;
    const auto shared = shared_cells_.find(cell);
    BlockAllocator& free = shared->second;
    free.release(block.begin - cell, block.bytes);
    if (free.free_blocks().begin()->second == kCell && shared_cells_.size() > 1) {
        shared_cells_.erase(shared);
        unmap(cell);
        cells_.release(cell, kCell);
    }
}

// ---- access ---------------------------------------------------------------------------------------------------------

// The address of a block that has pages; null if it cannot be mapped. put() costs less for blocks without pages.
std::byte* ExtentWriter::mapped(const Block& block) {
    const std::uint64_t cell = block.begin / kCell * kCell;
    auto known = mappings_.find(cell);
    if (known == mappings_.end()) {
        const std::uint64_t bytes = std::max(kCell, block.bytes);
        void* const address =
            sys::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(range_.begin + cell));
        if (address == MAP_FAILED) {
            return nullptr;
        }
        // Processes that this child forks do not have it, like the lane.
        sys::madvise(address, bytes, MADV_DONTFORK);
        known = mappings_.emplace(cell, Mapping{static_cast<std::byte*>(address), bytes}).first;
    }
    return known->second.data + (block.begin - cell);
}

void ExtentWriter::unmap(std::uint64_t cell) {
    if (const auto known = mappings_.find(cell); known != mappings_.end()) {
        sys::munmap(known->second.data, known->second.bytes);
        mappings_.erase(known);
    }
}

Result<void> ExtentWriter::put(std::uint64_t offset, std::span<const std::byte> bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t written = sys::pwrite(fd_, bytes.data() + done, bytes.size() - done,
                                            static_cast<off_t>(range_.begin + offset + done));
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return system_error("pwrite");
        }
        done += static_cast<std::size_t>(written);
    }
    return {};
}

}  // namespace callring
