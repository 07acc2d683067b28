// MemoryPool: buffers in shared memory, in arenas that are added as they are needed, up to a limit.
// Guarantees: thread-safe; a buffer returns its block from whatever thread drops it last, also after the pool itself is
// gone; no block of a new arena is handed out before the hook has announced that arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "common/result.h"
#include "memory/arena.h"

namespace callring {

class PoolState;

// One block of one arena, owned. Views share it; the block is recycled when the last of them is gone.
class Buffer {
public:
    Buffer(std::shared_ptr<PoolState> state, const Arena& arena, std::uint64_t offset, std::uint64_t bytes) noexcept;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer();

    // Never used twice in a process, unlike a block: the space for hazards, so that nothing that happened to the
    // block's former owner concerns this one.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    [[nodiscard]] std::uint32_t arena() const noexcept { return arena_; }
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }  // from the arena's start, in bytes
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::byte* data() const noexcept { return data_; }

private:
    std::shared_ptr<PoolState> state_;
    std::uint64_t id_;
    std::uint32_t arena_;
    std::uint64_t offset_;
    std::uint64_t bytes_;
    std::byte* data_;
};

class MemoryPool {
public:
    // Told of a new arena before its first block is handed out. Runs on the allocating thread without any lock of the
    // pool; must not allocate from the same pool. On an error the arena is dropped and the allocation fails with it.
    using NewArenaHook = std::function<Result<void>(const Arena&)>;

    static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

    // Arenas have `default_arena_bytes` (at least one page), or more where a single buffer needs it; all together never
    // more than `limit_bytes`. Creates nothing yet.
    explicit MemoryPool(std::uint64_t default_arena_bytes, std::uint64_t limit_bytes = kNoLimit);

    // Replaces the hook for arenas made from now on.
    void on_new_arena(NewArenaHook hook);

    // A buffer of `bytes` (zero is legal), 64-byte aligned, contents undefined. Code::out_of_memory at the limit,
    // otherwise the error of the system or of the hook.
    Result<std::shared_ptr<Buffer>> allocate(std::uint64_t bytes);

    // All arenas so far, by id, including one whose hook runs at this moment: a child that starts now maps these, and
    // may be told of the newest a second time.
    [[nodiscard]] std::vector<std::shared_ptr<const Arena>> arenas() const;
    [[nodiscard]] std::uint64_t bytes_in_use() const;
    [[nodiscard]] std::uint64_t capacity() const;  // bytes of all arenas

private:
    std::shared_ptr<PoolState> state_;
};

}  // namespace callring
