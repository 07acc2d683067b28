#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "memory/arena_map.h"

using namespace callring;

namespace {
UniqueFd duplicate(int fd) {
    return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}
}  // namespace

TEST_CASE("a child finds the bytes that the parent wrote") {
    auto arena = SharedMap::create("arena", 4096);
    arena->data()[7] = std::byte{42};
    ArenaMap map;
    REQUIRE(map.attach(3, duplicate(arena->fd())).ok());
    CHECK(**map.resolve(3, 7, 1) == std::byte{42});
}

TEST_CASE("bytes outside of an arena, or of an arena that is not mapped, are refused") {
    auto arena = SharedMap::create("arena", 4096);
    ArenaMap map;
    REQUIRE(map.attach(0, duplicate(arena->fd())).ok());
    CHECK(map.resolve(0, 4096, 0).ok());
    CHECK_FALSE(map.resolve(0, 4096, 1).ok());
    CHECK_FALSE(map.resolve(0, 4000, UINT64_MAX).ok());
    CHECK_FALSE(map.resolve(0, UINT64_MAX, 1).ok());
    CHECK_FALSE(map.resolve(1, 0, 1).ok());
    CHECK_FALSE(map.resolve(ArenaMap::kMaxArenas, 0, 1).ok());
}

TEST_CASE("an arena that is not size-sealed, or whose id is taken, is refused") {
    auto arena = SharedMap::create("arena", 4096);
    ArenaMap map;
    REQUIRE(map.attach(0, duplicate(arena->fd())).ok());
    CHECK_FALSE(map.attach(0, duplicate(arena->fd())).ok());
    CHECK_FALSE(map.attach(1, UniqueFd(::memfd_create("loose", MFD_CLOEXEC))).ok());
}
