// MemoryPool: shared memory for tensors, in arenas that every child maps; a nested Worker's pool also has the arenas of
// the pool above, which its children map, too, so that tensors are not copied on the way down.
// Guarantees: thread-safe; a Buffer returns its bytes when its last owner drops it, from any thread and also after the
// Worker was closed; every child that takes work has mapped an arena before the arena's first byte is allocated.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/result.h"
#include "memory/block_allocator.h"
#include "memory/reserve.h"
#include "memory/shared_map.h"

namespace callring {

// One piece of shared memory that all processes of a Worker map. Its pages are committed when they are first touched.
class Arena {
public:
    Arena(std::uint32_t id, SharedMap map) : id_(id), map_(std::move(map)), free_(map_.size()) {}

    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
    [[nodiscard]] int fd() const noexcept { return map_.fd(); }
    [[nodiscard]] std::byte* data() const noexcept { return map_.data(); }
    [[nodiscard]] std::uint64_t size() const noexcept { return map_.size(); }

private:
    friend class MemoryPool;
    std::uint32_t id_;
    SharedMap map_;
    BlockAllocator free_;  // under the pool's lock
};

class MemoryPool;

// Some bytes of an arena. Every buffer has a unique id: hazards are tracked by it, so that reused memory does not
// inherit the history of its earlier owner.
class Buffer {
public:
    // Without a pool: bytes of an adopted arena, which are never given back.
    Buffer(std::shared_ptr<MemoryPool> pool, std::shared_ptr<Arena> arena, std::uint64_t id, std::uint64_t offset,
           std::uint64_t bytes) noexcept;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer();

    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    [[nodiscard]] std::uint32_t arena_id() const noexcept { return arena_->id(); }
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }  // bytes from the arena's start
    [[nodiscard]] std::uint64_t size() const noexcept { return bytes_; }
    [[nodiscard]] std::byte* data() const noexcept { return arena_->data() + offset_; }

    // Called when its scope ends: no new task may use it; its bytes are given back when its last user drops it.
    void retire() noexcept { retired_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool retired() const noexcept { return retired_.load(std::memory_order_relaxed); }

    // Whether newer contents may lie on another machine: code of this process must fetch them before it reads.
    void set_away(bool away) noexcept { away_.store(away, std::memory_order_relaxed); }
    [[nodiscard]] bool away() const noexcept { return away_.load(std::memory_order_relaxed); }

private:
    std::shared_ptr<MemoryPool> pool_;
    std::shared_ptr<Arena> arena_;
    std::uint64_t id_;
    std::uint64_t offset_;
    std::uint64_t bytes_;
    std::atomic<bool> retired_{false};
    std::atomic<bool> away_{false};
};

class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
public:
    // Makes arenas of `arena_bytes` (or larger ones for larger requests), at most `limit_bytes` in all.
    MemoryPool(std::uint64_t arena_bytes, std::uint64_t limit_bytes)
        : arena_bytes_(arena_bytes), limit_bytes_(limit_bytes) {}

    // Errors: out_of_memory (by the limit, or by the machine), and the errors of the hook. Contents are undefined.
    Result<std::shared_ptr<Buffer>> allocate(std::uint64_t bytes);

    // Adopts a whole arena of another process, whose id there is `foreign`; the caller keeps `fd`. The first call maps
    // it into every child. Each arena has one buffer, so that hazards tracked by the buffer's id are exact. Errors:
    // malformed (not size-sealed), io, and the errors of the hook.
    Result<std::shared_ptr<Buffer>> adopt(std::uint32_t foreign, int fd);

    // Called with each new arena before its first use, without the pool's lock.
    using NewArenaHook = std::function<Result<void>(const std::shared_ptr<Arena>&)>;
    void set_new_arena_hook(NewArenaHook hook);

    [[nodiscard]] std::vector<std::shared_ptr<Arena>> arenas() const;
    [[nodiscard]] std::uint64_t bytes_in_use() const;

private:
    friend class Buffer;
    Result<std::shared_ptr<Arena>> grow(std::uint64_t bytes);
    std::shared_ptr<Buffer> take(std::uint64_t bytes);  // under the lock; null if no arena has room
    void give_back(Arena& arena, std::uint64_t offset, std::uint64_t bytes) noexcept;

    const std::uint64_t arena_bytes_;
    const std::uint64_t limit_bytes_;
    Books books_;
    std::mutex growing_;  // one new arena at a time
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<Arena>> arenas_;
    std::map<std::uint32_t, std::shared_ptr<Buffer>> adopted_;  // by the id in the Worker above
    NewArenaHook hook_;
    std::uint64_t capacity_ = 0;
    std::uint64_t in_use_ = 0;
    std::uint64_t next_buffer_ = 1;
    std::uint32_t next_arena_ = 0;
};

}  // namespace callring
