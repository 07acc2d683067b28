#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string_view>

#include "memory/sealed.h"

using namespace callring;

namespace {
std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
UniqueFd duplicate(int fd) {
    return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}
}  // namespace

TEST_CASE("a sealed payload cannot be written, grown or shrunk by anybody") {
    auto payload = SealedPayload::create(bytes_of("payload"));
    REQUIRE(payload.ok());
    CHECK(::write(payload->fd(), "x", 1) == -1);
    CHECK(::ftruncate(payload->fd(), 1) == -1);
    CHECK(::ftruncate(payload->fd(), 100) == -1);
    CHECK(::mmap(nullptr, 7, PROT_READ | PROT_WRITE, MAP_SHARED, payload->fd(), 0) == MAP_FAILED);
}

TEST_CASE("the receiver maps the bytes that were sealed") {
    auto sent = SealedPayload::create(bytes_of("payload"));
    auto received = SealedPayload::adopt(duplicate(sent->fd()));
    REQUIRE(received.ok());
    CHECK(received->size() == 7);
    CHECK(received->bytes()[0] == std::byte{'p'});
}

TEST_CASE("an empty payload is legal") {
    auto sent = SealedPayload::create({});
    REQUIRE(sent.ok());
    CHECK(SealedPayload::adopt(duplicate(sent->fd()))->bytes().empty());
}

TEST_CASE("what is not sealed completely is refused") {
    for (const int seals : {0, F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK, F_SEAL_SHRINK | F_SEAL_SEAL}) {
        UniqueFd fd(::memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        REQUIRE(::ftruncate(fd.get(), 10) == 0);
        REQUIRE(::fcntl(fd.get(), F_ADD_SEALS, seals) == 0);
        CHECK(SealedPayload::adopt(std::move(fd)).error().code == Code::malformed);
    }
    CHECK(SealedPayload::adopt(UniqueFd()).error().code == Code::malformed);
}
