#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "lane/frame.h"
#include "tests/lane/encoded.h"

using namespace callring;

namespace {

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TaskArgs some_args(std::string opaque) {
    TaskArgs args;
    args.scalars = {7, 8};
    args.opaque = std::move(opaque);
    return args;
}

}  // namespace

TEST_CASE("opaque bytes follow the argument blob and leave the rest as it is") {
    const ArenaMap arenas;
    for (const std::size_t size : {std::size_t{1}, std::size_t{300}, std::size_t{100'000}}) {
        std::string opaque(size, 'o');
        opaque.front() = '\0';
        const auto blob = encoded(some_args(opaque));
        const auto plain = encoded(some_args({}));
        CHECK(std::memcmp(blob.data(), plain.data(), plain.size()) == 0);
        DecodedArguments decoded;
        REQUIRE(decode_argument_blob(blob, arenas, decoded, true));
        CHECK(text_of(decoded.opaque) == opaque);
        CHECK(decoded.scalars == std::vector<std::uint64_t>{7, 8});
    }
}

TEST_CASE("opaque bytes of a frame are those of its flag, and none remain from the frame before") {
    const ArenaMap arenas;
    Frame frame{};
    frame.config.flags = kFrameOpaque;
    encode_arguments(some_args("call"), frame.arguments);
    DecodedArguments decoded;
    REQUIRE(decode_arguments(frame, arenas, decoded));
    CHECK(text_of(decoded.opaque) == "call");
    frame.config.flags = 0;
    REQUIRE(decode_arguments(frame, arenas, decoded));
    CHECK(decoded.opaque.empty());
}

TEST_CASE("opaque bytes that are cut short are refused") {
    const ArenaMap arenas;
    auto blob = encoded(some_args("12345678"));
    while (blob.size() > encoded(some_args({})).size()) {
        blob.pop_back();
        DecodedArguments decoded;
        const auto result = decode_argument_blob(blob, arenas, decoded, true);
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::malformed);
        CHECK(decoded.opaque.empty());
    }
}
