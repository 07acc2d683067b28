// SharedMap and Scope: memory of several processes, and how long buffers may be used.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "memory/scope.h"
#include "memory/shared_map.h"

using namespace callring;

namespace {

UniqueFd unsealed(off_t bytes, int seals = 0) {
    UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(fd.get(), bytes) == 0);
    REQUIRE((seals == 0 || ::fcntl(fd.get(), F_ADD_SEALS, seals) == 0));
    return fd;
}

}  // namespace

TEST_CASE("shared memory is zeroed, cannot change its size, and is the same at both ends") {
    const auto map = std::move(SharedMap::create("test", 8192)).value();
    CHECK(map.size() == 8192);
    CHECK(map.file_size() == 8192);
    CHECK(map.data()[8191] == std::byte{0});
    CHECK(::ftruncate(map.fd(), 4096) != 0);
    CHECK(::ftruncate(map.fd(), 16384) != 0);
    const auto other = std::move(SharedMap::attach(UniqueFd::copy_of(map.fd()))).value();
    CHECK(other.size() == 8192);
    map.data()[5] = std::byte{42};
    CHECK(other.data()[5] == std::byte{42});
    CHECK(other.data() != map.data());
}

TEST_CASE("a part of a file is mapped, and the rest is left to other maps") {
    const auto map = std::move(SharedMap::create("test", 4096, 1U << 20U)).value();
    CHECK(map.size() == 4096);
    CHECK(map.file_size() == 1U << 20U);
    const auto more = std::move(SharedMap::attach(UniqueFd::copy_of(map.fd()), 8192)).value();
    CHECK(more.size() == 8192);
    CHECK(more.file_size() == 1U << 20U);
    CHECK(SharedMap::attach(UniqueFd::copy_of(map.fd()), (1U << 20U) + 1).error().code == Code::malformed);
}

TEST_CASE("memory whose size may change, and a descriptor of no memory, are not mapped") {
    for (const int seals : {0, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SHRINK | F_SEAL_GROW}) {
        CAPTURE(seals);
        CHECK(SharedMap::attach(unsealed(4096, seals)).error().code == Code::malformed);
    }
    CHECK_FALSE(SharedMap::attach(UniqueFd()).ok());
    CHECK_FALSE(SharedMap::attach(UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))).ok());
    CHECK_FALSE(SharedMap::attach(unsealed(0, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)).ok());
}

TEST_CASE("a map moves with its memory and its descriptor") {
    SharedMap first = std::move(SharedMap::create("first", 4096)).value();
    std::byte* const data = first.data();
    const int fd = first.fd();
    SharedMap second = std::move(first);
    CHECK(second.data() == data);
    CHECK(second.fd() == fd);
    SharedMap third = std::move(SharedMap::create("third", 4096)).value();
    third = std::move(second);
    CHECK(third.data() == data);
    third.data()[0] = std::byte{1};
    CHECK(SharedMap().data() == nullptr);
}

TEST_CASE("the buffers of a scope are retired with it, and live as long as they are used") {
    const auto pool = std::make_shared<MemoryPool>(65536, 65536);
    Scope scope;
    auto used = std::move(pool->allocate(64)).value();
    scope.own(used);
    scope.own(std::move(pool->allocate(64)).value());
    CHECK(pool->bytes_in_use() == 64);  // a scope keeps no buffer alive
    CHECK_FALSE(used->retired());
    scope.end();
    CHECK(used->retired());
    used->data()[0] = std::byte{1};
    used.reset();
    CHECK(pool->bytes_in_use() == 0);
    scope.end();  // a second time: no effect
}

TEST_CASE("a scope of many buffers retires those that are left, and forgets the others meanwhile") {
    const auto pool = std::make_shared<MemoryPool>(1U << 20U, 1U << 20U);
    Scope scope;
    std::vector<std::shared_ptr<Buffer>> kept;
    for (int i = 0; i < 1000; ++i) {
        auto buffer = std::move(pool->allocate(64)).value();
        scope.own(buffer);
        if (i % 10 == 0) {
            kept.push_back(std::move(buffer));
        }
    }
    scope.end();
    CHECK(std::all_of(kept.begin(), kept.end(), [](const auto& buffer) { return buffer->retired(); }));
}
