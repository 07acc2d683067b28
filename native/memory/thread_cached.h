// ThreadCached: an allocator for objects of one type that are made and dropped at a high rate, mostly one at a time.
// malloc caches only a few blocks of each size, and splits and merges the others each time; here a thread keeps the
// blocks that it has dropped, and reuses them.
// Guarantees: a thread keeps at most kMostKeptBlocks blocks of each size, and frees them when it ends; any thread may
// drop a block, not only the thread that made it. New blocks come from `new`, with its errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "common/system_calls.h"
#include "common/tuning.h"

namespace callring {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kKeepBlocks = false;  // AddressSanitizer finds uses of a dropped block only if it is freed
#else
inline constexpr bool kKeepBlocks = true;
#endif

// The blocks of one size that this thread keeps. All members are static and need no check of their initialisation.
template <std::size_t bytes>
class KeptBlocks {
public:
    static void* take() {
        if (t_first == nullptr) {
            return ::operator new(bytes);
        }
        Block* const block = t_first;
        t_first = block->next;
        ++t_room;
        return block;
    }
    static void give(void* memory) noexcept {
        if (t_room == 0 && !open()) {
            ::operator delete(memory, bytes);
            return;
        }
        --t_room;
        t_first = new (memory) Block{t_first};
    }

private:
    struct Block {
        Block* next;
    };
    static_assert(bytes >= sizeof(Block));

    // Makes room when this thread drops its first block. False: there is no room, or the thread has used it up.
    static bool open() noexcept {
        if (!kKeepBlocks || t_opened) {
            return false;
        }
        // Not the destructor of a thread_local: glibc allocates to register one, and ends the process if that fails.
        static const Key key;
        t_opened = key.made && sys::pthread_setspecific(key.key, &key) == 0;
        t_room = t_opened ? tuning::kMostKeptBlocks : 0;
        return t_opened;
    }
    // Blocks that the thread drops after this are freed at once.
    static void close(void* /*key*/) noexcept {
        while (t_first != nullptr) {
            Block* const block = std::exchange(t_first, t_first->next);
            ::operator delete(block, bytes);
        }
        t_room = 0;
    }
    struct Key {
        pthread_key_t key{};
        bool made = sys::pthread_key_create(&key, &close) == 0;
    };

    [[gnu::tls_model("initial-exec")]] static constinit inline thread_local Block* t_first = nullptr;
    [[gnu::tls_model("initial-exec")]] static constinit inline thread_local std::uint32_t t_room = 0;
    [[gnu::tls_model("initial-exec")]] static constinit inline thread_local bool t_opened = false;
};

template <class T>
class ThreadCached {
public:
    using value_type = T;

    ThreadCached() = default;
    template <class U>
    ThreadCached(const ThreadCached<U>& /*other*/) noexcept {}  // NOLINT(google-explicit-constructor): it is the same

    [[nodiscard]] T* allocate(std::size_t count) {
        return static_cast<T*>(count == 1 ? KeptBlocks<sizeof(T)>::take() : ::operator new(count * sizeof(T)));
    }
    void deallocate(T* objects, std::size_t count) noexcept {
        auto* const memory = static_cast<void*>(objects);
        if (count == 1) {
            KeptBlocks<sizeof(T)>::give(memory);
        } else {
            ::operator delete(memory, count * sizeof(T));
        }
    }

    template <class U>
    bool operator==(const ThreadCached<U>& /*other*/) const noexcept {
        return true;
    }
};

}  // namespace callring
