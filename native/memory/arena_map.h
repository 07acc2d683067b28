// ArenaMap: the arenas that a child has mapped, with their addresses.
// Guarantees: resolve() takes no lock and checks every bound; attach() may run on another thread meanwhile. Arenas
// stay mapped until the process ends.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "common/result.h"
#include "common/unique_fd.h"
#include "memory/shared_map.h"

namespace callring {

class ArenaMap {
public:
    static constexpr std::uint32_t kMaxArenas = 4096;

    ArenaMap() : slots_(std::make_unique<std::array<std::atomic<SharedMap*>, kMaxArenas>>()) {}
    ArenaMap(const ArenaMap&) = delete;
    ArenaMap& operator=(const ArenaMap&) = delete;
    ~ArenaMap() {
        for (auto& slot : *slots_) {
            delete slot.load(std::memory_order_relaxed);
        }
    }

    // Maps the arena `id`. Errors: malformed (not size-sealed, or the id is taken or over kMaxArenas), io.
    Result<void> attach(std::uint32_t id, UniqueFd fd) {
        if (id >= kMaxArenas || (*slots_)[id].load(std::memory_order_relaxed) != nullptr) {
            return Error{Code::malformed, "arena " + std::to_string(id) + " cannot be mapped here"};
        }
        auto map = SharedMap::attach(std::move(fd));
        if (!map) {
            return std::move(map).error();
        }
        // Release: a thread that reads the pointer also sees the mapping.
        (*slots_)[id].store(std::make_unique<SharedMap>(std::move(map).value()).release(), std::memory_order_release);
        return {};
    }

    // The arena and offset of an address that resolve() returned; the map keeps the arena's descriptor.
    struct Place {
        std::uint32_t arena;
        std::uint64_t offset;
        int fd;
    };
    [[nodiscard]] std::optional<Place> find(const void* address) const {
        const auto* const byte = static_cast<const std::byte*>(address);
        std::optional<Place> at_end;  // of no bytes; another arena may begin there
        for (std::uint32_t id = 0; id < kMaxArenas; ++id) {
            const SharedMap* map = (*slots_)[id].load(std::memory_order_acquire);
            if (map == nullptr || byte < map->data() || byte > map->data() + map->size()) {
                continue;
            }
            const Place place{id, static_cast<std::uint64_t>(byte - map->data()), map->fd()};
            if (place.offset < map->size()) {
                return place;
            }
            at_end = place;
        }
        return at_end;
    }

    // The address of `bytes` bytes at `offset` of arena `id`; null if any byte lies outside the arena.
    [[nodiscard]] std::byte* address(std::uint32_t id, std::uint64_t offset, std::uint64_t bytes) const noexcept {
        const SharedMap* map = at(id);
        return map != nullptr && offset <= map->size() && bytes <= map->size() - offset ? map->data() + offset
                                                                                        : nullptr;
    }
    // The same, with a reason. Error: malformed.
    [[nodiscard]] Result<std::byte*> resolve(std::uint32_t id, std::uint64_t offset, std::uint64_t bytes) const {
        if (std::byte* const found = address(id, offset, bytes); found != nullptr) {
            return found;
        }
        const std::string arena = "arena " + std::to_string(id);
        return Error{Code::malformed,
                     at(id) == nullptr ? arena + " is not mapped in this child" : "bytes outside of " + arena};
    }

private:
    [[nodiscard]] const SharedMap* at(std::uint32_t id) const noexcept {
        return id < kMaxArenas ? (*slots_)[id].load(std::memory_order_acquire) : nullptr;
    }

    std::unique_ptr<std::array<std::atomic<SharedMap*>, kMaxArenas>> slots_;
};

}  // namespace callring
