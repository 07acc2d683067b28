#include <doctest/doctest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "memory/pool.h"

using namespace callring;

TEST_CASE("a buffer returns its bytes when its last owner lets go, also after the pool's owner did") {
    auto pool = std::make_shared<MemoryPool>(1 << 16, 1 << 20);
    auto buffer = std::move(pool->allocate(100)).value();
    CHECK(pool->bytes_in_use() == 128);
    const auto id = buffer->id();
    buffer.reset();
    CHECK(pool->bytes_in_use() == 0);
    auto again = std::move(pool->allocate(100)).value();
    CHECK(again->id() != id);
    pool.reset();
    std::memset(again->data(), 1, again->size());
}

TEST_CASE("a request beyond an arena makes a larger one, announced before its first byte is handed out") {
    auto pool = std::make_shared<MemoryPool>(1 << 16, 1 << 24);
    std::vector<std::uint64_t> announced;
    pool->set_new_arena_hook([&](const Arena& arena) {
        CHECK(pool->arenas().size() == announced.size());
        announced.push_back(arena.size());
        return Result<void>();
    });
    REQUIRE(pool->allocate(10).ok());
    REQUIRE(pool->allocate(1 << 20).ok());
    CHECK(announced == std::vector<std::uint64_t>{1 << 16, 1 << 20});
}

TEST_CASE("the limit is an error that names the option, and changes nothing") {
    auto pool = std::make_shared<MemoryPool>(1 << 16, 1 << 17);
    auto refused = pool->allocate(1 << 18);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::out_of_memory);
    CHECK(refused.error().message.find("memory_limit_bytes") != std::string::npos);
    CHECK(pool->allocate(1 << 16).ok());
    CHECK_FALSE(pool->allocate(UINT64_MAX - 3).ok());
}

TEST_CASE("an arena that the children could not map is not used") {
    auto pool = std::make_shared<MemoryPool>(1 << 16, 1 << 20);
    pool->set_new_arena_hook([](const Arena&) { return Result<void>(Error{Code::timeout, "no answer"}); });
    CHECK(pool->allocate(1).error().code == Code::timeout);
    CHECK(pool->arenas().empty());
}

TEST_CASE("threads allocate and release at once") {
    auto pool = std::make_shared<MemoryPool>(1 << 16, 1 << 24);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&pool, t] {
            for (std::uint64_t i = 0; i < 500; ++i) {
                auto buffer = std::move(pool->allocate((i * 37) % 5000)).value();
                std::memset(buffer->data(), t, buffer->size());
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(pool->bytes_in_use() == 0);
}
