#include "lane/extent_store.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <string>
#include <utility>

#include "common/system_calls.h"
#include "common/tuning.h"
#include "lane/given_back.h"
#include "memory/fork_watch.h"
#include "memory/reserve.h"

namespace callring {

namespace {

constexpr std::uint64_t cell_of(std::uint64_t begin) noexcept {
    return begin / kCell * kCell;
}

bool overlaps(const auto& blocks, std::uint64_t begin, std::uint64_t end) {
    const auto next = blocks.lower_bound(begin);
    return (next != blocks.end() && next->first < end) ||
           (next != blocks.begin() && std::prev(next)->second.end > begin);
}

}  // namespace

Extent::~Extent() {
    if (store_) {
        store_->give_back(begin_);
    }
}

ExtentStore::ExtentStore(int fd, StoreRange range, std::atomic<std::uint64_t>& given_back)
    : process_(fork_watch::process()), fd_(fd), range_(range), given_back_(&given_back) {}

ExtentStore::~ExtentStore() {
    for (const auto& [cell, mapping] : mappings_) {
        sys::munmap(mapping.data, mapping.bytes);
    }
}

// ---- taking ---------------------------------------------------------------------------------------------------------

Result<ExtentPtr> ExtentStore::take(const ExtentRecord& record) {
    const std::uint64_t begin = record.offset - kExtentHeader;
    if (record.offset < kExtentHeader || record.bytes > range_.bytes || !is_block(begin, block_bytes(record.bytes))) {
        return Error{Code::malformed, "it reported a result where none can lie"};
    }
    const std::uint64_t end = begin + block_bytes(record.bytes);
    const std::lock_guard lock(mutex_);
    pass_on_what_forks_had();
    if (overlaps(held_, begin, end) || overlaps(inherited_, begin, end)) {
        return Error{Code::malformed, "it reported a result that overlaps another one"};
    }
    try {
        const SparesReserve spares;
        auto extent = std::make_shared<Extent>();
        const auto held = held_.emplace(begin, Held{end, 0}).first;
        if (Mapping* mapping = map(begin, end - begin)) {
            ++mapping->users;
            held->second.since = fork_watch::hold();
            extent->bytes_ = {mapping->data + (record.offset - cell_of(begin)), record.bytes};
            extent->begin_ = begin;
            extent->store_ = shared_from_this();
            return ExtentPtr(std::move(extent));
        }
        held_.erase(held);
    } catch (const std::bad_alloc&) {
        held_.erase(begin);
    }
    push(begin, nullptr, false);
    return Error{Code::out_of_memory,
                 "its parent has no memory to map " + std::to_string(record.bytes) + " bytes of a result"};
}

bool ExtentStore::is_block(std::uint64_t begin, std::uint64_t bytes) const noexcept {
    if (begin % kPage != 0 || begin > range_.bytes || bytes > range_.bytes - begin) {
        return false;
    }
    return bytes > kCell ? begin % kCell == 0 : cell_of(begin) == cell_of(begin + bytes - 1);
}

ExtentStore::Mapping* ExtentStore::map(std::uint64_t begin, std::uint64_t bytes) {
    const std::uint64_t cell = cell_of(begin);
    const std::uint64_t wanted = std::max(bytes, kCell);
    if (const auto known = mappings_.find(cell); known != mappings_.end()) {
        if (known->second.bytes >= wanted) {
            return &known->second;
        }
        sys::munmap(known->second.data, known->second.bytes);  // no extent uses it: it would overlap
        mappings_.erase(known);
    }
    const auto mapping = mappings_.emplace(cell, Mapping{nullptr, wanted, 0}).first;
    void* const address =
        sys::mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(range_.begin + cell));
    if (address == MAP_FAILED) {
        mappings_.erase(mapping);
        return nullptr;
    }
    mapping->second.data = static_cast<std::byte*>(address);
    return &mapping->second;
}

// ---- giving back ----------------------------------------------------------------------------------------------------

void ExtentStore::give_back(std::uint64_t begin) noexcept {
    if (fork_watch::process() != process_) {
        return;  // this is a forked process: the memory belongs to the process that forked it
    }
    fork_watch::let_go();
    const std::lock_guard lock(mutex_);
    pass_on_what_forks_had();
    auto block = held_.extract(begin);
    if (fork_watch::may_be_inherited(block.mapped().since)) {
        inherited_.insert(std::move(block));
    } else {
        pass_on(begin, block.mapped().end);
    }
}

void ExtentStore::pass_on_what_forks_had() noexcept {
    for (auto block = inherited_.begin(); block != inherited_.end();) {
        if (fork_watch::may_be_inherited(block->second.since)) {
            ++block;
            continue;
        }
        pass_on(block->first, block->second.end);
        block = inherited_.erase(block);
    }
}

void ExtentStore::pass_on(std::uint64_t begin, std::uint64_t end) noexcept {
    const std::uint64_t cell = cell_of(begin);
    std::byte* const place = mappings_.at(cell).data + (begin - cell);
    if (given_back_ == nullptr) {
        sys::madvise(place, end - begin, MADV_REMOVE);
    } else {
        if (given_back_->load(std::memory_order_relaxed) == 0) {
            given_back_bytes_ = 0;
        }
        given_back_bytes_ += end - begin;
        const bool too_much = given_back_bytes_ > kMostGivenBack;
        if (too_much) {
            sys::madvise(place, end - begin, MADV_REMOVE);
        }
        push(begin, place, too_much);
    }
    unuse(cell);
}

// Reports the block to the child; `header` is the block's header, or null if it is not mapped.
void ExtentStore::push(std::uint64_t begin, std::byte* header, bool pages_are_gone) noexcept {
    const std::uint64_t link = (begin + kExtentHeader) | (pages_are_gone ? 1U : 0U);
    push_given_back(*given_back_, link, [&](std::uint64_t before) {
        if (header != nullptr) {
            std::memcpy(header, &before, sizeof before);
            return true;
        }
        // This only fails if no memory at all is left; the child then loses the block.
        return sys::pwrite(fd_, &before, sizeof before, static_cast<off_t>(range_.begin + begin)) == sizeof before;
    });
}

void ExtentStore::unuse(std::uint64_t cell) noexcept {
    const auto mapping = mappings_.find(cell);
    if (--mapping->second.users == 0 &&
        (mapping->second.bytes > kCell || mappings_.size() > tuning::kMostIdleMappings)) {
        sys::munmap(mapping->second.data, mapping->second.bytes);
        mappings_.erase(mapping);
    }
}

// ---- the end --------------------------------------------------------------------------------------------------------

void ExtentStore::end() noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (held_.empty() && inherited_.empty()) {  // all memory is freed with the file
            given_back_ = nullptr;
            fd_ = -1;
            return;
        }
    }
    close();
}

void ExtentStore::close() noexcept {
    const std::lock_guard lock(mutex_);
    if (given_back_ == nullptr) {
        return;
    }
    std::uint64_t begin = 0;
    const auto clear_up_to = [&](std::uint64_t end) {
        if (begin < end) {
            sys::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range_.begin + begin),
                           static_cast<off_t>(end - begin));
        }
    };
    Blocks::const_iterator held = held_.begin();
    Blocks::const_iterator inherited = inherited_.begin();
    while (held != held_.end() || inherited != inherited_.end()) {
        auto& next =
            inherited == inherited_.end() || (held != held_.end() && held->first < inherited->first) ? held : inherited;
        clear_up_to(next->first);
        begin = next->second.end;
        ++next;
    }
    clear_up_to(range_.bytes);
    given_back_ = nullptr;
    fd_ = -1;
}

}  // namespace callring
