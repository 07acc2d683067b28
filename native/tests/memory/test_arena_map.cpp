// ArenaMap: every number comes from another process, and is checked.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "memory/arena_map.h"
#include "memory/pool.h"

using namespace callring;

namespace {

UniqueFd arena_fd(std::uint64_t bytes) {
    auto map = SharedMap::create("test", bytes);
    REQUIRE(map.ok());
    return UniqueFd(::dup(map->fd()));
}

}  // namespace

TEST_CASE("the child reads at each place of a buffer what the parent wrote there") {
    const auto pool = std::make_shared<MemoryPool>(65536, 65536);
    REQUIRE(pool->allocate(100).ok());
    auto buffer = pool->allocate(100);
    REQUIRE(buffer.ok());
    (*buffer)->data()[99] = std::byte{42};
    ArenaMap child;
    REQUIRE(child.attach((*buffer)->arena_id(), UniqueFd(::dup(pool->arenas()[0]->fd()))).ok());
    auto address = child.resolve((*buffer)->arena_id(), (*buffer)->offset(), 100);
    REQUIRE(address.ok());
    CHECK(*address != (*buffer)->data());
    CHECK((*address)[99] == std::byte{42});
}

TEST_CASE("only bytes inside a mapped arena resolve") {
    ArenaMap arenas;
    REQUIRE(arenas.attach(2, arena_fd(4096)).ok());
    CHECK(arenas.resolve(2, 0, 4096).ok());
    CHECK(arenas.resolve(2, 4096, 0).ok());
    struct Request {
        std::uint32_t id;
        std::uint64_t offset;
        std::uint64_t bytes;
    };
    for (const Request& request : {Request{2, 0, 4097}, Request{2, 4096, 1}, Request{2, 4097, 0},
                                   Request{2, UINT64_MAX, 2}, Request{2, 2, UINT64_MAX}, Request{3, 0, 0},
                                   Request{ArenaMap::kMaxArenas, 0, 0}, Request{UINT32_MAX, 0, 0}}) {
        CAPTURE(request.id);
        CAPTURE(request.offset);
        CAPTURE(request.bytes);
        auto address = arenas.resolve(request.id, request.offset, request.bytes);
        REQUIRE_FALSE(address.ok());
        CHECK(address.error().code == Code::malformed);
    }
}

TEST_CASE("an id is mapped once, and only within the table") {
    ArenaMap arenas;
    REQUIRE(arenas.attach(0, arena_fd(4096)).ok());
    const auto first = arenas.resolve(0, 0, 1);
    CHECK(arenas.attach(0, arena_fd(8192)).error().code == Code::malformed);
    CHECK(arenas.attach(ArenaMap::kMaxArenas, arena_fd(4096)).error().code == Code::malformed);
    CHECK(*arenas.resolve(0, 0, 1) == *first);
    CHECK_FALSE(arenas.resolve(0, 0, 8192).ok());
}

TEST_CASE("the arena of a resolved address is found again") {
    ArenaMap arenas;
    REQUIRE(arenas.attach(3, arena_fd(4096)).ok());
    REQUIRE(arenas.attach(7, arena_fd(8192)).ok());
    const auto place = arenas.find(*arenas.resolve(7, 5000, 8));
    REQUIRE(place.has_value());
    CHECK(place->arena == 7);
    CHECK(place->offset == 5000);
    ArenaMap again;
    CHECK(again.attach(0, UniqueFd(::dup(place->fd))).ok());
    const int elsewhere = 0;
    CHECK_FALSE(arenas.find(&elsewhere).has_value());
}

TEST_CASE("memory that another process could shrink is refused") {
    UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(fd.get(), 4096) == 0);
    ArenaMap arenas;
    CHECK(arenas.attach(0, std::move(fd)).error().code == Code::malformed);
    CHECK_FALSE(arenas.resolve(0, 0, 1).ok());
}

TEST_CASE("arenas can be attached while another thread resolves") {
    ArenaMap arenas;
    std::atomic<std::uint32_t> attached{0};
    std::thread control([&] {
        for (std::uint32_t id = 0; id < 200; ++id) {
            static_cast<void>(arenas.attach(id, arena_fd(4096)));
            attached.store(id + 1, std::memory_order_release);
        }
    });
    int wrong = 0;
    for (std::uint32_t known = 0; known < 200;) {
        known = attached.load(std::memory_order_acquire);
        for (std::uint32_t id = 0; id < known; ++id) {
            auto address = arenas.resolve(id, 64, 64);
            wrong += address.ok() && **address == std::byte{0} ? 0 : 1;
        }
    }
    control.join();
    CHECK(wrong == 0);
}

TEST_CASE("the first byte of an arena is never taken for the end of another arena that lies before it in memory") {
    ArenaMap arenas;
    // The kernel maps the next arena below the last one: the end of each is then the first byte of the one before.
    for (std::uint32_t id = 40; id-- > 0;) {
        REQUIRE(arenas.attach(id, arena_fd(4096)).ok());
    }
    for (std::uint32_t id = 0; id < 40; ++id) {
        const std::byte* const first = *arenas.resolve(id, 0, 1);
        const auto place = arenas.find(first);
        REQUIRE(place.has_value());
        CHECK(place->arena == id);
        CHECK(place->offset == 0);
        const auto last = arenas.find(first + 4095);
        REQUIRE(last.has_value());
        CHECK(last->arena == id);
    }
    const std::byte* const end = *arenas.resolve(39, 4096, 0);
    CHECK((!arenas.find(end).has_value() || arenas.find(end)->arena == 39));  // a tensor without elements may lie there
}
