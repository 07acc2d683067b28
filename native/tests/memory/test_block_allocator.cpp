#include <doctest/doctest.h>

#include <map>
#include <random>

#include "memory/block_allocator.h"

using namespace callring;

TEST_CASE("blocks are aligned, even empty ones have an address of their own") {
    BlockAllocator free(1024);
    const auto first = free.allocate(0);
    const auto second = free.allocate(1);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(*first != *second);
    CHECK(*second % kBlockAlignment == 0);
}

TEST_CASE("a request that does not fit gets nothing") {
    BlockAllocator free(1024);
    CHECK_FALSE(free.allocate(1025));
    CHECK(free.allocate(1024));
    CHECK_FALSE(free.allocate(1));
}

TEST_CASE("random requests never overlap, and freeing everything gives one block again") {
    constexpr std::uint64_t kSize = 65536;
    std::mt19937 random(1);
    BlockAllocator free(kSize);
    std::map<std::uint64_t, std::uint64_t> taken;  // offset to bytes
    for (int step = 0; step < 20'000; ++step) {
        if (taken.empty() || random() % 2 == 0) {
            const std::uint64_t bytes = random() % 3000;
            if (const auto offset = free.allocate(bytes)) {
                const auto next = taken.lower_bound(*offset);
                REQUIRE((next == taken.end() || *offset + BlockAllocator::rounded(bytes) <= next->first));
                if (next != taken.begin()) {
                    const auto before = std::prev(next);
                    REQUIRE(before->first + BlockAllocator::rounded(before->second) <= *offset);
                }
                taken.emplace(*offset, bytes);
            }
        } else {
            const auto victim = std::next(taken.begin(), static_cast<std::ptrdiff_t>(random() % taken.size()));
            free.release(victim->first, victim->second);
            taken.erase(victim);
        }
    }
    for (const auto& [offset, bytes] : taken) {
        free.release(offset, bytes);
    }
    CHECK(free.free_blocks() == std::map<std::uint64_t, std::uint64_t>{{0, kSize}});
}
