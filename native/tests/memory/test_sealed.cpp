// SealedPayload: one process executes the same bytes that another has hashed.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "memory/sealed.h"

using namespace callring;

namespace {

std::vector<std::byte> some_bytes(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) {
        bytes[i] = static_cast<std::byte>(i * 31);
    }
    return bytes;
}

UniqueFd memfd_with(const std::vector<std::byte>& bytes, int seals) {
    UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    REQUIRE((seals == 0 || ::fcntl(fd.get(), F_ADD_SEALS, seals) == 0));
    return fd;
}

}  // namespace

TEST_CASE("a payload arrives unchanged on the other side") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{1'000'003}}) {
        CAPTURE(size);
        const auto bytes = some_bytes(size);
        auto payload = SealedPayload::create(bytes);
        REQUIRE(payload.ok());
        CHECK(std::ranges::equal(payload->bytes(), bytes));
        auto adopted = SealedPayload::adopt(UniqueFd(::dup(payload->fd())));
        REQUIRE(adopted.ok());
        CHECK(adopted->size() == size);
        CHECK(std::ranges::equal(adopted->bytes(), bytes));
    }
}

TEST_CASE("a payload cannot be written, resized, unsealed or mapped for writing") {
    auto payload = SealedPayload::create(some_bytes(100));
    REQUIRE(payload.ok());
    const int fd = payload->fd();
    CHECK(::pwrite(fd, "x", 1, 0) == -1);
    CHECK(::ftruncate(fd, 50) == -1);
    CHECK(::ftruncate(fd, 200) == -1);
    CHECK(::fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == -1);
    CHECK(::mmap(nullptr, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a descriptor that lacks any of the four seals is refused") {
    constexpr std::array kSeals{F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_SEAL};
    constexpr int kAll = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    for (const int missing : kSeals) {
        CAPTURE(missing);
        auto adopted = SealedPayload::adopt(memfd_with(some_bytes(10), kAll & ~missing));
        REQUIRE_FALSE(adopted.ok());
        CHECK(adopted.error().code == Code::malformed);
    }
    CHECK(SealedPayload::adopt(memfd_with(some_bytes(10), kAll)).ok());
}

TEST_CASE("a descriptor that is no memfd, or none at all, is refused") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd writer(ends[1]);
    auto of_pipe = SealedPayload::adopt(UniqueFd(ends[0]));
    REQUIRE_FALSE(of_pipe.ok());
    CHECK(of_pipe.error().code == Code::malformed);
    CHECK_FALSE(SealedPayload::adopt(UniqueFd()).ok());
}

TEST_CASE("moving a payload does not move its bytes") {
    auto created = SealedPayload::create(some_bytes(100));
    REQUIRE(created.ok());
    SealedPayload first = std::move(created).value();
    const std::byte* address = first.bytes().data();
    SealedPayload second = std::move(first);
    CHECK(second.bytes().data() == address);
    auto other = SealedPayload::create(some_bytes(3));
    REQUIRE(other.ok());
    *other = std::move(second);
    CHECK(other->bytes().data() == address);
    CHECK(other->size() == 100);
}
