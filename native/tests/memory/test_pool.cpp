// MemoryPool: growth, its limit, the hook, and buffers that outlive their pool.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "memory/pool.h"

using namespace callring;

namespace {

constexpr std::uint64_t kArena = 65536;

std::shared_ptr<MemoryPool> make_pool(std::uint64_t limit = 16 * kArena) {
    return std::make_shared<MemoryPool>(kArena, limit);
}

}  // namespace

TEST_CASE("buffers of a pool are aligned, disjoint and lie at their offsets") {
    const auto pool = make_pool();
    auto first = pool->allocate(100);
    auto second = pool->allocate(100);
    REQUIRE((first.ok() && second.ok()));
    CHECK((*first)->id() != (*second)->id());
    CHECK((*first)->size() == 100);
    CHECK((*first)->offset() % 64 == 0);
    CHECK((*second)->offset() >= (*first)->offset() + 100);
    const auto arenas = pool->arenas();
    REQUIRE(arenas.size() == 1);
    CHECK((*second)->arena_id() == arenas[0]->id());
    CHECK((*second)->data() == arenas[0]->data() + (*second)->offset());
}

TEST_CASE("a buffer of no bytes is legal") {
    const auto pool = make_pool();
    auto buffer = pool->allocate(0);
    REQUIRE(buffer.ok());
    CHECK((*buffer)->size() == 0);
    CHECK((*buffer)->data() != nullptr);
}

TEST_CASE("an arena is sealed against a change of its size") {
    const auto pool = make_pool();
    REQUIRE(pool->allocate(1).ok());
    const int seals = ::fcntl(pool->arenas()[0]->fd(), F_GET_SEALS);
    CHECK((seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
}

TEST_CASE("a pool grows by a whole arena, or by what one large buffer needs") {
    const auto pool = make_pool();
    auto small = pool->allocate(kArena);
    auto large = pool->allocate((3 * kArena) + 1);
    REQUIRE((small.ok() && large.ok()));
    const auto arenas = pool->arenas();
    REQUIRE(arenas.size() == 2);
    CHECK(arenas[0]->size() == kArena);
    CHECK(arenas[1]->size() == (3 * kArena) + 4096);
}

TEST_CASE("released memory is used again before the pool grows") {
    const auto pool = make_pool();
    for (int round = 0; round < 100; ++round) {
        REQUIRE(pool->allocate(kArena).ok());
    }
    CHECK(pool->arenas().size() == 1);
    CHECK(pool->bytes_in_use() == 0);
}

TEST_CASE("a recycled block gets a new id") {
    const auto pool = make_pool();
    std::uint64_t id = 0;
    std::uint64_t offset = 0;
    {
        auto buffer = pool->allocate(64);
        REQUIRE(buffer.ok());
        id = (*buffer)->id();
        offset = (*buffer)->offset();
    }
    auto again = pool->allocate(64);
    REQUIRE(again.ok());
    CHECK((*again)->offset() == offset);
    CHECK((*again)->id() != id);
}

TEST_CASE("bytes in use count what buffers occupy") {
    const auto pool = make_pool();
    auto first = pool->allocate(65);
    auto second = pool->allocate(1);
    CHECK(pool->bytes_in_use() == 192);
    first.value().reset();
    CHECK(pool->bytes_in_use() == 64);
}

TEST_CASE("a buffer beyond the limit is refused with the limit's name, and the limit can be reached again") {
    const auto pool = make_pool(2 * kArena);
    auto first = pool->allocate(kArena);
    auto second = pool->allocate(kArena);
    REQUIRE((first.ok() && second.ok()));
    auto third = pool->allocate(1);
    REQUIRE_FALSE(third.ok());
    CHECK(third.error().code == Code::out_of_memory);
    CHECK(third.error().message.find("memory_limit_bytes") != std::string::npos);
    second.value().reset();
    CHECK(pool->allocate(1).ok());
}

TEST_CASE("requests near the end of the number range are refused") {
    for (const std::uint64_t limit : {2 * kArena, UINT64_MAX}) {
        const auto pool = make_pool(limit);
        for (const std::uint64_t bytes : {UINT64_MAX, UINT64_MAX - 63, UINT64_MAX - 4096, UINT64_MAX / 2}) {
            CAPTURE(limit);
            CAPTURE(bytes);
            auto buffer = pool->allocate(bytes);
            REQUIRE_FALSE(buffer.ok());
            CHECK(buffer.error().code == Code::out_of_memory);
        }
        CHECK(pool->allocate(kArena).ok());  // the refused buffers count nothing against the limit
    }
}

TEST_CASE("the hook is called with an arena before any buffer lies in it, without the pool's lock") {
    const auto pool = make_pool();
    std::vector<std::uint32_t> announced;
    std::uint64_t in_use = 1;
    pool->set_new_arena_hook([&](const std::shared_ptr<Arena>& arena) -> Result<void> {
        CHECK(pool->arenas().size() == announced.size());  // not among the arenas that are in use
        announced.push_back(arena->id());
        in_use = pool->bytes_in_use();  // would deadlock under the lock
        return {};
    });
    auto first = pool->allocate(10);
    CHECK(in_use == 0);
    auto second = pool->allocate(10);
    CHECK(announced.size() == 1);
    auto third = pool->allocate(kArena);
    REQUIRE((first.ok() && second.ok() && third.ok()));
    CHECK(announced == std::vector<std::uint32_t>{(*first)->arena_id(), (*third)->arena_id()});
}

TEST_CASE("an arena whose hook fails is never used, and its size is not lost to the limit") {
    const auto pool = make_pool(kArena);
    pool->set_new_arena_hook(
        [](const std::shared_ptr<Arena>&) -> Result<void> { return Error{Code::timeout, "chip 3 is silent"}; });
    auto refused = pool->allocate(10);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::timeout);
    CHECK(refused.error().message == "chip 3 is silent");
    CHECK(pool->arenas().empty());
    pool->set_new_arena_hook({});
    CHECK(pool->allocate(10).ok());
}

TEST_CASE("a buffer keeps its memory when the pool is gone") {
    auto pool = make_pool();
    auto buffer = pool->allocate(1000);
    REQUIRE(buffer.ok());
    pool.reset();
    std::memset((*buffer)->data(), 7, 1000);
    CHECK((*buffer)->data()[999] == std::byte{7});
}

TEST_CASE("an arena of a pool above is mapped once, passed to the children below, and never allocated from") {
    const auto above = make_pool();
    auto given = above->allocate(100);
    REQUIRE(given.ok());
    const int fd = above->arenas()[0]->fd();
    const auto below = make_pool();
    REQUIRE(below->allocate(100).ok());  // ids differ from those above
    std::vector<std::uint32_t> told;
    below->set_new_arena_hook([&told](const std::shared_ptr<Arena>& arena) -> Result<void> {
        told.push_back(arena->id());
        return {};
    });
    auto adopted = below->adopt(0, fd);
    REQUIRE(adopted.ok());
    CHECK(*below->adopt(0, fd) == *adopted);
    CHECK(told == std::vector<std::uint32_t>{(*adopted)->arena_id()});
    CHECK((*adopted)->offset() == 0);
    CHECK((*adopted)->size() == kArena);
    (*given)->data()[99] = std::byte{42};
    CHECK((*adopted)->data()[(*given)->offset() + 99] == std::byte{42});
    CHECK(below->arenas().size() == 1);
    CHECK(below->bytes_in_use() == 0);
    CHECK((*below->allocate(kArena))->arena_id() != (*adopted)->arena_id());
}

TEST_CASE("an arena that a child below cannot map is not adopted, and may be tried again") {
    const auto above = make_pool();
    REQUIRE(above->allocate(100).ok());
    const int fd = above->arenas()[0]->fd();
    const auto below = make_pool();
    below->set_new_arena_hook(
        [](const std::shared_ptr<Arena>&) -> Result<void> { return Error{Code::timeout, "chip 3 is silent"}; });
    CHECK(below->adopt(0, fd).error().message == "chip 3 is silent");
    below->set_new_arena_hook({});
    CHECK(below->adopt(0, fd).ok());
    CHECK_FALSE(below->adopt(1, -1).ok());
}

TEST_CASE("threads share a pool: no thread gets bytes of another, and all bytes come back") {
    const auto pool = make_pool(64 * kArena);
    std::vector<std::thread> threads;
    std::vector<int> clashes(4, 0);
    for (std::size_t number = 0; number < clashes.size(); ++number) {
        threads.emplace_back([&, number] {
            std::mt19937 random(static_cast<std::uint32_t>(number));
            std::vector<std::shared_ptr<Buffer>> held;
            const auto mark = static_cast<std::byte>(number + 1);
            const auto check_and_drop = [&](std::size_t index) {
                const Buffer& buffer = *held[index];
                for (std::uint64_t i = 0; i < buffer.size(); ++i) {
                    clashes[number] += buffer.data()[i] != mark ? 1 : 0;
                }
                held.erase(held.begin() + static_cast<std::ptrdiff_t>(index));
            };
            for (int step = 0; step < 2000; ++step) {
                if (auto buffer = pool->allocate(random() % 4000)) {
                    std::memset((*buffer)->data(), static_cast<int>(mark), (*buffer)->size());
                    held.push_back(std::move(buffer).value());
                }
                if (held.size() > 20) {
                    check_and_drop(random() % held.size());
                }
            }
            while (!held.empty()) {
                check_and_drop(held.size() - 1);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(clashes == std::vector<int>(4, 0));
    CHECK(pool->bytes_in_use() == 0);
}
