// ArenaMap: the child's side of a MemoryPool: (arena, offset, bytes) to an address. Every number comes from another
// process and is checked. Guarantees: attach and resolve may run in different threads; resolve takes no lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "memory/arena.h"

namespace callring {

class ArenaMap {
public:
    // Maps an arena for good. The same arena a second time is accepted and ignored; another one with the id of a known
    // one is Code::malformed.
    Result<void> attach(std::uint32_t id, UniqueFd fd);
    // The address of `bytes` bytes at `offset`. Code::malformed for an unknown arena or bytes outside it.
    [[nodiscard]] Result<std::byte*> resolve(std::uint32_t id, std::uint64_t offset, std::uint64_t bytes) const;

private:
    std::mutex attach_mutex_;
    std::vector<std::unique_ptr<const Arena>> owned_;
    // Published with release, read with acquire; an entry never changes again.
    std::array<std::atomic<const Arena*>, kMaxArenas> by_id_{};
};

}  // namespace callring
