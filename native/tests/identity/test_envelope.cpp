#include <doctest/doctest.h>

#include <string_view>

#include "identity/envelope.h"

using namespace callring;

namespace {
std::vector<std::byte> sample() {
    constexpr std::string_view kPayload = "pickle";
    return wrap_envelope(std::as_bytes(std::span(kPayload.data(), kPayload.size())));
}
}  // namespace

TEST_CASE("an envelope gives back its payload") {
    const auto envelope = sample();
    auto opened = open_envelope(envelope);
    REQUIRE(opened.ok());
    CHECK(opened->size() == 6);
    CHECK(opened->front() == std::byte{'p'});
}

TEST_CASE("every changed header byte is refused") {
    for (std::size_t i = 0; i < 16; ++i) {
        auto envelope = sample();
        envelope[i] ^= std::byte{1};
        CAPTURE(i);
        CHECK(open_envelope(envelope).error().code == Code::malformed);
    }
}

TEST_CASE("an envelope cut short or with bytes behind the payload is refused") {
    auto envelope = sample();
    for (std::size_t size = 0; size < envelope.size(); ++size) {
        CHECK_FALSE(open_envelope(std::span(envelope).first(size)).ok());
    }
    envelope.push_back(std::byte{0});
    CHECK_FALSE(open_envelope(envelope).ok());
}
