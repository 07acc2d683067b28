// BlockAllocator: blocks never overlap, and nothing is lost to fragmentation for good.
#include <doctest/doctest.h>

#include <iterator>
#include <map>
#include <random>
#include <vector>

#include "memory/block_allocator.h"

using namespace callring;

namespace {
using Blocks = std::map<std::uint64_t, std::uint64_t>;  // offset to size
}  // namespace

TEST_CASE("blocks are aligned, and a request of 0 bytes gets an address of its own") {
    BlockAllocator allocator(1024);
    CHECK(allocator.allocate(1) == 0);
    CHECK(allocator.allocate(0) == 64);
    CHECK(allocator.allocate(65) == 128);
    CHECK(allocator.allocate(64) == 256);
}

TEST_CASE("a request that fits no free block is refused and changes nothing") {
    BlockAllocator allocator(256);
    CHECK_FALSE(allocator.allocate(257).has_value());
    CHECK(allocator.allocate(256) == 0);
    CHECK_FALSE(allocator.allocate(0).has_value());
    allocator.release(0, 256);
    CHECK(allocator.free_blocks() == Blocks{{0, 256}});
}

TEST_CASE("a request takes the smallest free block that is large enough") {
    BlockAllocator allocator(1024);
    const std::vector<std::uint64_t> sizes{256, 64, 128, 64, 512};
    std::vector<std::uint64_t> offsets;
    for (const std::uint64_t size : sizes) {
        offsets.push_back(allocator.allocate(size).value());
    }
    allocator.release(offsets[0], 256);
    allocator.release(offsets[2], 128);
    allocator.release(offsets[4], 512);
    CHECK(allocator.allocate(100) == offsets[2]);
    CHECK(allocator.allocate(200) == offsets[0]);
}

TEST_CASE("a released block joins the free blocks on both sides of it") {
    BlockAllocator allocator(192);
    allocator.allocate(64);
    allocator.allocate(64);
    allocator.allocate(64);
    allocator.release(0, 64);
    allocator.release(128, 64);
    CHECK(allocator.free_blocks() == Blocks{{0, 64}, {128, 64}});
    allocator.release(64, 64);
    CHECK(allocator.free_blocks() == Blocks{{0, 192}});
}

TEST_CASE("an arena that is no multiple of the alignment loses its tail") {
    BlockAllocator allocator(130);
    CHECK(allocator.free_blocks() == Blocks{{0, 128}});
    CHECK(BlockAllocator(63).free_blocks().empty());
}

TEST_CASE("random requests never overlap, and freeing everything gives one free block again") {
    constexpr std::uint64_t kCapacity = std::uint64_t{1} << 20U;
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        BlockAllocator allocator(kCapacity);
        Blocks taken;  // bytes as asked for
        for (int step = 0; step < 5000; ++step) {
            if (taken.empty() || random() % 100 < 55) {
                const std::uint64_t bytes = random() % 8000;
                const auto offset = allocator.allocate(bytes);
                if (!offset) {
                    continue;
                }
                REQUIRE(*offset % kBlockAlignment == 0);
                REQUIRE(*offset + bytes <= kCapacity);
                const auto next = taken.lower_bound(*offset);
                REQUIRE((next == taken.end() || *offset + BlockAllocator::rounded(bytes) <= next->first));
                if (next != taken.begin()) {
                    const auto [before, length] = *std::prev(next);
                    REQUIRE(before + BlockAllocator::rounded(length) <= *offset);
                }
                taken.emplace(*offset, bytes);
            } else {
                const auto victim = std::next(taken.begin(), static_cast<std::ptrdiff_t>(random() % taken.size()));
                allocator.release(victim->first, victim->second);
                taken.erase(victim);
            }
        }
        for (const auto& [offset, bytes] : taken) {
            allocator.release(offset, bytes);
        }
        CHECK(allocator.free_blocks() == Blocks{{0, kCapacity}});
    }
}
