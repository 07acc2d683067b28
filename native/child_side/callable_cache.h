// CallableCache: a cache of the SlotTable for a child's executing thread, so that a frame whose callable ran recently
// is resolved without a lock.
// Guarantees: an entry is used only while the table has not changed since the entry was filled, so a removed callable
// is never returned; its reference is dropped at the next lookup or forget_stale(). Used by one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "child_side/slot_table.h"
#include "common/tuning.h"

namespace callring {

template <class T>
class CallableCache {
public:
    explicit CallableCache(const SlotTable<T>& table) : table_(table) {}

    // The callable behind a digest, or null if it is not installed. Valid until the next call of this object.
    [[nodiscard]] const std::shared_ptr<T>& find(const Digest& digest) {
        forget_stale();
        Entry& entry = entries_[DigestHash{}(digest) % tuning::kCacheEntries];
        if (!entry.callable || entry.digest != digest) {
            entry.callable = table_.resolve(digest);
            entry.digest = digest;
        }
        return entry.callable;
    }

    // Drops all entries if the table has changed. Called before the thread sleeps, so that removed callables are freed.
    void forget_stale() {
        // Acquire, before resolve(): the resolved callable is at least as new as the version of its entry.
        const std::uint64_t version = table_.version();
        if (version != version_) {
            entries_.fill({});
            version_ = version;
        }
    }

private:
    struct Entry {
        Digest digest{};
        std::shared_ptr<T> callable;
    };

    const SlotTable<T>& table_;
    std::uint64_t version_ = 0;
    std::array<Entry, tuning::kCacheEntries> entries_{};
};

}  // namespace callring
