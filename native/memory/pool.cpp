#include "memory/pool.h"

#include <sys/types.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string>
#include <utility>

namespace callring {

namespace {
constexpr std::uint64_t kPage = 4096;
}

Buffer::Buffer(std::shared_ptr<MemoryPool> pool, std::shared_ptr<Arena> arena, std::uint64_t id, std::uint64_t offset,
               std::uint64_t bytes) noexcept
    : pool_(std::move(pool)), arena_(std::move(arena)), id_(id), offset_(offset), bytes_(bytes) {}

Buffer::~Buffer() {
    if (pool_) {
        pool_->give_back(*arena_, offset_, bytes_);
    }
}

Result<std::shared_ptr<Buffer>> MemoryPool::allocate(std::uint64_t bytes) {
    if (!memory_reserve_is_whole() || books_.torn) {
        return Error{Code::out_of_memory, "no memory is left for more shared memory"};
    }
    const KeepsBooks keeps(books_);
    {
        const std::lock_guard lock(mutex_);
        if (auto buffer = take(bytes)) {
            return buffer;
        }
    }
    const std::lock_guard growing(growing_);
    {
        // Another thread may have grown the pool meanwhile.
        const std::lock_guard lock(mutex_);
        if (auto buffer = take(bytes)) {
            return buffer;
        }
    }
    auto arena = grow(bytes);
    if (!arena) {
        return std::move(arena).error();
    }
    const std::lock_guard lock(mutex_);
    arenas_.push_back(*arena);
    return take(bytes);
}

std::shared_ptr<Buffer> MemoryPool::take(std::uint64_t bytes) {
    for (const auto& arena : arenas_) {
        if (bytes > arena->size()) {
            continue;
        }
        if (const auto offset = arena->free_.allocate(bytes)) {
            in_use_ += BlockAllocator::rounded(bytes);
            return std::make_shared<Buffer>(shared_from_this(), arena, next_buffer_++, *offset, bytes);
        }
    }
    return nullptr;
}

Result<std::shared_ptr<Arena>> MemoryPool::grow(std::uint64_t bytes) {
    NewArenaHook hook;
    std::uint32_t id = 0;
    std::uint64_t size = 0;
    {
        const std::lock_guard lock(mutex_);
        // No file can exceed off_t; the bound also prevents an overflow of the rounding below.
        const bool fits = bytes <= std::min<std::uint64_t>(limit_bytes_, std::numeric_limits<off_t>::max());
        size = fits ? std::max(arena_bytes_, (BlockAllocator::rounded(bytes) + kPage - 1) / kPage * kPage) : 0;
        if (!fits || size > limit_bytes_ - std::min(limit_bytes_, capacity_)) {
            return Error{Code::out_of_memory, "shared memory for " + std::to_string(bytes) + " bytes: " +
                                                  std::to_string(capacity_) + " of " + std::to_string(limit_bytes_) +
                                                  " bytes are taken; raise WorkerOptions.memory_limit_bytes"};
        }
        capacity_ += size;
        id = next_arena_++;
        hook = hook_;
    }
    const auto give_up = [&](Error error) {
        const std::lock_guard lock(mutex_);
        capacity_ -= size;
        return error;
    };
    auto map = SharedMap::create("callring-arena", size);
    if (!map) {
        Error error = std::move(map).error();
        error.code = error.code == Code::out_of_descriptors ? error.code : Code::out_of_memory;
        return give_up(std::move(error));
    }
    auto arena = std::make_shared<Arena>(id, std::move(map).value());
    if (hook) {
        if (auto known = hook(arena); !known) {
            return give_up(std::move(known).error());
        }
    }
    return arena;
}

Result<std::shared_ptr<Buffer>> MemoryPool::adopt(std::uint32_t foreign, int fd) {
    const std::lock_guard growing(growing_);
    NewArenaHook hook;
    std::uint32_t id = 0;
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = adopted_.find(foreign); known != adopted_.end()) {
            return known->second;
        }
        id = next_arena_++;
        hook = hook_;
    }
    auto map = SharedMap::attach(UniqueFd::copy_of(fd));
    if (!map) {
        return std::move(map).error();
    }
    auto arena = std::make_shared<Arena>(id, std::move(map).value());
    if (hook) {
        if (auto told = hook(arena); !told) {
            return std::move(told).error();
        }
    }
    const std::lock_guard lock(mutex_);
    const std::uint64_t bytes = arena->size();
    auto buffer = std::make_shared<Buffer>(nullptr, std::move(arena), next_buffer_++, 0, bytes);
    adopted_.emplace(foreign, buffer);
    return buffer;
}

void MemoryPool::give_back(Arena& arena, std::uint64_t offset, std::uint64_t bytes) noexcept {
    const KeepsBooks keeps(books_);
    const std::lock_guard lock(mutex_);
    try {
        arena.free_.release(offset, bytes);
    } catch (const std::bad_alloc&) {
        return;  // this memory is not reused
    }
    in_use_ -= BlockAllocator::rounded(bytes);
}

void MemoryPool::set_new_arena_hook(NewArenaHook hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
}

std::vector<std::shared_ptr<Arena>> MemoryPool::arenas() const {
    const std::lock_guard lock(mutex_);
    return arenas_;
}

std::uint64_t MemoryPool::bytes_in_use() const {
    const std::lock_guard lock(mutex_);
    return in_use_;
}

}  // namespace callring
