// SlotTable: a child's private table of installed callables: digest to slot to callable.
// Guarantees: a slot number never leaves the child; a callable that is being executed outlives its removal; different
// threads may call resolve() and the methods that change the table.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "identity/digest.h"

namespace callring {

// A digest is uniformly distributed: its first bytes are its hash.
struct DigestHash {
    std::size_t operator()(const Digest& digest) const noexcept {
        std::size_t hash = 0;
        std::memcpy(&hash, digest.data(), sizeof hash);
        return hash;
    }
};

template <class T>
class SlotTable {
public:
    explicit SlotTable(std::uint32_t capacity) : capacity_(capacity) {}

    // Installs a prepared callable that is not installed yet. Error: slot_exhausted. Without memory nothing is changed.
    Result<void> install(const Digest& digest, std::shared_ptr<T> callable) {
        const std::lock_guard lock(mutex_);
        if (slot_of_.size() >= capacity_) {
            return Error{Code::slot_exhausted, "all " + std::to_string(capacity_) + " slots are taken"};
        }
        if (free_.empty()) {
            if (free_.capacity() == slots_.size()) {
                free_.reserve((2 * slots_.size()) + 1);  // for all slots: a removal allocates nothing
            }
            slots_.emplace_back();
            free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
        }
        slot_of_.emplace(digest, free_.back());
        slots_[free_.back()] = std::move(callable);
        free_.pop_back();
        return {};
    }

    // Frees the slot. Error: not_installed.
    Result<void> remove(const Digest& digest) {
        std::shared_ptr<T> removed;  // destroyed outside the lock
        const std::lock_guard lock(mutex_);
        const auto entry = slot_of_.find(digest);
        if (entry == slot_of_.end()) {
            return Error{Code::not_installed, "not installed here"};
        }
        removed = std::move(slots_[entry->second]);
        free_.push_back(entry->second);
        slot_of_.erase(entry);
        // Before `removed` is dropped: a thread that still sees the old version may use its cached callable.
        version_.fetch_add(1, std::memory_order_release);
        return {};
    }

    // The callable behind a digest, or null.
    [[nodiscard]] std::shared_ptr<T> resolve(const Digest& digest) const {
        const std::lock_guard lock(mutex_);
        const auto entry = slot_of_.find(digest);
        return entry == slot_of_.end() ? nullptr : slots_[entry->second];
    }

    // Changes with every removal; a callable that was resolved under one version stays installed until the version
    // changes.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

    [[nodiscard]] bool contains(const Digest& digest) const { return slot_of(digest).has_value(); }

    // The slot of an identity in this child. For tests: children may have different slots for one identity.
    [[nodiscard]] std::optional<std::uint32_t> slot_of(const Digest& digest) const {
        const std::lock_guard lock(mutex_);
        const auto entry = slot_of_.find(digest);
        return entry == slot_of_.end() ? std::nullopt : std::optional(entry->second);
    }

private:
    mutable std::mutex mutex_;
    std::atomic<std::uint64_t> version_{0};
    std::uint32_t capacity_;
    std::unordered_map<Digest, std::uint32_t, DigestHash> slot_of_;
    std::vector<std::shared_ptr<T>> slots_;
    std::vector<std::uint32_t> free_;
};

}  // namespace callring
