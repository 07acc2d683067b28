#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string_view>

#include "identity/envelope.h"

using namespace callring;

namespace {
constexpr std::size_t kHeader = 16;

std::vector<std::byte> sample() {
    constexpr std::string_view kPayload = "pickle";
    return wrap_envelope(std::as_bytes(std::span(kPayload.data(), kPayload.size())));
}

// A second reading of the specification: "SPYC", 1, 1, 0, 0, the size of the rest as u64.
bool is_envelope(const std::vector<std::byte>& bytes) {
    constexpr std::string_view kBegin("SPYC\x01\x01\x00\x00", 8);
    if (bytes.size() < kHeader || std::memcmp(bytes.data(), kBegin.data(), kBegin.size()) != 0) {
        return false;
    }
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data() + 8, sizeof size);  // the machine is little-endian
    return size == bytes.size() - kHeader;
}
}  // namespace

TEST_CASE("an envelope gives back its payload") {
    const auto envelope = sample();
    auto opened = open_envelope(envelope);
    REQUIRE(opened.ok());
    CHECK(opened->size() == 6);
    CHECK(opened->front() == std::byte{'p'});
}

TEST_CASE("a payload of any size lies unchanged behind the sixteen bytes of the header") {
    std::mt19937 random(3);
    for (const std::size_t size : {0U, 1U, 15U, 16U, 255U, 256U, 65536U}) {
        CAPTURE(size);
        std::vector<std::byte> payload(size);
        for (std::byte& byte : payload) {
            byte = static_cast<std::byte>(random());
        }
        const auto envelope = wrap_envelope(payload);
        CHECK(envelope.size() == kHeader + size);
        const auto opened = open_envelope(envelope);
        REQUIRE(opened.ok());
        CHECK(opened->data() == envelope.data() + kHeader);
        CHECK(std::vector<std::byte>(opened->begin(), opened->end()) == payload);
    }
}

TEST_CASE("every changed header byte is refused") {
    for (std::size_t i = 0; i < kHeader; ++i) {
        auto envelope = sample();
        envelope[i] ^= std::byte{1};
        CAPTURE(i);
        CHECK(open_envelope(envelope).error().code == Code::malformed);
    }
}

TEST_CASE("the error names the field that is wrong, the first one if there are several") {
    const auto error_at = [](std::size_t at) {
        auto envelope = sample();
        for (std::size_t i = at; i < kHeader; ++i) {
            envelope[i] ^= std::byte{0x80};
        }
        return open_envelope(envelope).error().message;
    };
    for (const std::size_t at : {0U, 1U, 2U, 3U}) {
        CHECK(error_at(at) == "serialized payload: unknown magic");
    }
    CHECK(error_at(4) == "serialized payload: unknown envelope version");
    CHECK(error_at(5) == "serialized payload: unknown serializer");
    CHECK(error_at(6) == "serialized payload: unknown flags");
    CHECK(error_at(7) == "serialized payload: unknown flags");
    for (std::size_t at = 8; at < kHeader; ++at) {
        CHECK(error_at(at) == "serialized payload: size contradicts its envelope");
    }
    CHECK(open_envelope({}).error().message == "serialized payload: shorter than its envelope");
}

TEST_CASE("an envelope cut short or with bytes behind the payload is refused") {
    auto envelope = sample();
    for (std::size_t size = 0; size < envelope.size(); ++size) {
        CHECK_FALSE(open_envelope(std::span(envelope).first(size)).ok());
    }
    envelope.push_back(std::byte{0});
    CHECK_FALSE(open_envelope(envelope).ok());
}

TEST_CASE("of damaged envelopes exactly those are opened that the specification allows") {
    std::mt19937 random(4);
    int opened = 0;
    for (int round = 0; round < 20'000; ++round) {
        auto envelope = sample();
        envelope.resize(envelope.size() + (random() % 3) - 1);
        for (std::size_t changes = random() % 2; changes > 0; --changes) {
            envelope[random() % envelope.size()] = static_cast<std::byte>(random() % 8);
        }
        if (random() % 2 == 0) {
            envelope[8] = static_cast<std::byte>(envelope.size() - kHeader);
        }
        REQUIRE(open_envelope(envelope).ok() == is_envelope(envelope));
        opened += is_envelope(envelope) ? 1 : 0;
    }
    CHECK(opened > 1000);
    CHECK(opened < 19'000);
}
