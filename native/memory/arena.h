// Arena: one region of shared memory that tensors live in, the same pages in the parent and in every child.
// Guarantees: size-sealed, so that no process can make another fault by shrinking it; zeroed, and pages are committed
// when they are first touched. Move-only; the address does not change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "common/result.h"
#include "common/unique_fd.h"
#include "lane/shared_map.h"

namespace callring {

// Ids are 0 .. kMaxArenas - 1, chosen by the pool that owns the arenas.
inline constexpr std::uint32_t kMaxArenas = 4096;

class Arena {
public:
    // `bytes` is at least 1. Code::io when the system refuses.
    static Result<Arena> create(std::uint32_t id, std::uint64_t bytes);
    // The child's side. Code::malformed unless the descriptor is sealed against a change of size.
    static Result<Arena> attach(std::uint32_t id, UniqueFd fd);

    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
    [[nodiscard]] std::byte* data() const noexcept { return map_.data(); }
    [[nodiscard]] std::uint64_t size() const noexcept { return map_.size(); }
    [[nodiscard]] int fd() const noexcept { return map_.fd(); }

private:
    Arena(std::uint32_t id, SharedMap map) noexcept : id_(id), map_(std::move(map)) {}

    std::uint32_t id_;
    SharedMap map_;
};

}  // namespace callring
