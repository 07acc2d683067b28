// Replaces operator new: the simulator has one thread and lives through millions of short programs, and in glibc's
// malloc it would spend a third of its time. A freed block is used again by the next allocation of its size. Errors of
// memory are for the builds with sanitizers, which do not have this source.
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t kStep = alignof(std::max_align_t);
constexpr std::size_t kSizes = 64;  // multiples of kStep; larger blocks come from malloc
constexpr std::size_t kChunk = std::size_t{1} << 20;

// Before each block. While the block is free, `next` is in the block itself.
struct alignas(kStep) Header {
    std::size_t size;  // in steps; 0: from malloc
};

struct Free {
    Free* next;
};

constinit std::array<Free*, kSizes + 1> free_blocks{};
constinit std::byte* chunk = nullptr;
constinit std::size_t left = 0;  // bytes of the chunk

// malloc keeps the large blocks of a program for the next one, instead of giving their pages back to the kernel.
constexpr int kKept = 32 << 20;
[[maybe_unused]] const bool kMallocKeeps =
    ::mallopt(M_MMAP_THRESHOLD, kKept) == 1 && ::mallopt(M_TRIM_THRESHOLD, kKept) == 1;

void* with_header(void* memory, std::size_t size) {
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return new (memory) Header{size} + 1;
}

void* carved(std::size_t size) {
    const std::size_t bytes = sizeof(Header) + (size * kStep);
    if (left < bytes) {
        chunk = static_cast<std::byte*>(std::malloc(kChunk));
        left = chunk == nullptr ? 0 : kChunk;
    }
    std::byte* const memory = chunk;
    if (memory != nullptr) {
        chunk += bytes;
        left -= bytes;
    }
    return with_header(memory, size);
}

}  // namespace

void* operator new(std::size_t bytes) {
    const std::size_t size = std::max<std::size_t>(1, (bytes + kStep - 1) / kStep);
    if (size > kSizes) {
        return with_header(std::malloc(sizeof(Header) + bytes), 0);
    }
    if (Free* const block = free_blocks[size]; block != nullptr) {
        free_blocks[size] = block->next;
        return block;
    }
    return carved(size);
}

void operator delete(void* block) noexcept {
    if (block == nullptr) {
        return;
    }
    Header* const header = static_cast<Header*>(block) - 1;
    if (header->size == 0) {
        std::free(header);
        return;
    }
    free_blocks[header->size] = new (block) Free{free_blocks[header->size]};
}

void operator delete(void* block, std::size_t /*bytes*/) noexcept {
    operator delete(block);
}
