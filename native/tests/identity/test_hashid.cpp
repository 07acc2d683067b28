#include <doctest/doctest.h>

#include <random>
#include <string>

#include "identity/hashid.h"

using namespace callring;

namespace {
constexpr std::string_view kDigits = "0123456789abcdef";

Digest random_digest(std::mt19937& random) {
    Digest digest{};
    for (std::byte& byte : digest) {
        byte = static_cast<std::byte>(random());
    }
    return digest;
}
}  // namespace

TEST_CASE("a hashid parses back to its digest") {
    std::mt19937 random(1);
    CHECK(*parse_hashid(to_hashid(sha256({}))) == sha256({}));
    for (int round = 0; round < 500; ++round) {
        const Digest digest = random_digest(random);
        const auto parsed = parse_hashid(to_hashid(digest));
        REQUIRE(parsed.ok());
        REQUIRE(*parsed == digest);
    }
}

TEST_CASE("the digits of a byte are its high half and its low half, the first byte first") {
    Digest digest{};
    digest[0] = std::byte{0x1F};
    digest[31] = std::byte{0xA0};
    CHECK(to_hashid(digest) == "sha256:1f" + std::string(60, '0') + "a0");
}

TEST_CASE("no other spelling is a hashid") {
    const std::string good = to_hashid(sha256({}));
    std::string upper = good;
    upper[10] = 'E';
    for (const std::string& bad : {std::string(), good.substr(1), good + "0", good.substr(0, good.size() - 1), upper,
                                   " " + good.substr(1), "SHA256:" + good.substr(7), "sha512:" + good.substr(7),
                                   good.substr(0, good.size() - 1) + "\n", good.substr(0, good.size() - 1) + "g"}) {
        CAPTURE(bad);
        CHECK(parse_hashid(bad).error().code == Code::hashid_format_invalid);
    }
}

TEST_CASE("with any byte at any place, a hashid is one only if the byte is a digit or the prefix is unchanged") {
    const std::string good = to_hashid(sha256({}));
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (int value = 0; value < 256; ++value) {
            std::string changed = good;
            changed[at] = static_cast<char>(value);
            const bool fits = at < 7 ? changed == good : kDigits.find(changed[at]) != std::string_view::npos;
            const auto parsed = parse_hashid(changed);
            REQUIRE(parsed.ok() == fits);
            if (fits) {
                REQUIRE(to_hashid(*parsed) == changed);
            } else {
                REQUIRE(parsed.error().code == Code::hashid_format_invalid);
            }
        }
    }
}

TEST_CASE("a hashid of every other length is refused with a message that says what one is") {
    const std::string good = to_hashid(sha256({})) + std::string(80, '0');
    for (std::size_t size = 0; size <= good.size(); ++size) {
        const auto parsed = parse_hashid(std::string_view(good).substr(0, size));
        REQUIRE(parsed.ok() == (size == 71));
        if (!parsed) {
            REQUIRE(parsed.error().message == "a hashid is 'sha256:' and 64 lowercase hexadecimal digits");
        }
    }
}
