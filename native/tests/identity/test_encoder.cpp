// The canonical bytes of descriptors: what Encoder writes, and what Decoder reads from whole and from damaged bytes.
#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "identity/encoder.h"

using namespace callring;

namespace {

using Bytes = std::vector<std::byte>;
using Field = std::variant<std::uint32_t, std::string>;

Bytes bytes_of(std::initializer_list<int> values) {
    Bytes bytes;
    for (const int value : values) {
        bytes.push_back(static_cast<std::byte>(value));
    }
    return bytes;
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes encoded(const std::vector<Field>& fields) {
    Encoder encoder;
    for (const Field& field : fields) {
        if (const auto* number = std::get_if<std::uint32_t>(&field)) {
            encoder.u32(*number);
        } else {
            encoder.str(std::get<std::string>(field));
        }
    }
    return std::move(encoder).take();
}

// Numbers and texts; a text may hold any byte, zero as well.
std::vector<Field> random_fields(std::mt19937& random) {
    std::vector<Field> fields;
    for (std::size_t count = random() % 6; count > 0; --count) {
        if (random() % 2 == 0) {
            fields.emplace_back(static_cast<std::uint32_t>(random()));
            continue;
        }
        std::string text(random() % 9, '\0');
        for (char& byte : text) {
            byte = static_cast<char>(random());
        }
        fields.emplace_back(std::move(text));
    }
    return fields;
}

}  // namespace

TEST_CASE("a number is four bytes, the lowest first") {
    CHECK(encoded({0x04030201U}) == bytes_of({1, 2, 3, 4}));
    CHECK(encoded({0xFFFFFFFEU}) == bytes_of({0xFE, 0xFF, 0xFF, 0xFF}));
    CHECK(encoded({}).empty());
}

TEST_CASE("a text is its length and its bytes, without an end mark or padding") {
    CHECK(encoded({std::string("ab")}) == bytes_of({2, 0, 0, 0, 'a', 'b'}));
    CHECK(encoded({std::string()}) == bytes_of({0, 0, 0, 0}));
    CHECK(encoded({std::string(300, 'x')}).size() == 304);
    CHECK(encoded({std::string(300, 'x')})[1] == std::byte{1});
}

TEST_CASE("random fields are read back as they were written, and nothing follows them") {
    std::mt19937 random(1);
    for (int round = 0; round < 2000; ++round) {
        CAPTURE(round);
        const auto fields = random_fields(random);
        const Bytes bytes = encoded(fields);
        Decoder decoder(bytes);
        for (const Field& field : fields) {
            REQUIRE_FALSE(decoder.at_end());
            if (const auto* number = std::get_if<std::uint32_t>(&field)) {
                REQUIRE(decoder.u32() == *number);
            } else {
                const auto read = decoder.bytes();
                REQUIRE(read.has_value());
                REQUIRE(text_of(*read) == std::get<std::string>(field));
            }
        }
        REQUIRE(decoder.at_end());
        REQUIRE_FALSE(decoder.u32().has_value());
        REQUIRE_FALSE(decoder.bytes().has_value());
    }
}

TEST_CASE("fields that are cut short anywhere are missing, never shorter") {
    std::mt19937 random(2);
    for (int round = 0; round < 200; ++round) {
        const auto fields = random_fields(random);
        const Bytes bytes = encoded(fields);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            Decoder decoder(std::span<const std::byte>{bytes}.first(size));
            bool missing = false;
            for (const Field& field : fields) {
                if (const auto* number = std::get_if<std::uint32_t>(&field)) {
                    const auto read = decoder.u32();
                    REQUIRE((!read || *read == *number));
                    missing = missing || !read;
                } else {
                    const auto read = decoder.bytes();
                    REQUIRE((!read || text_of(*read) == std::get<std::string>(field)));
                    missing = missing || !read;
                }
                if (missing) {
                    break;
                }
            }
            REQUIRE(missing);
        }
    }
}

TEST_CASE("a length that exceeds the bytes behind it is refused, however large it is") {
    for (const std::uint32_t length : {4U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU}) {
        CAPTURE(length);
        Encoder encoder;
        encoder.u32(length);
        Bytes bytes = std::move(encoder).take();
        bytes.resize(7);
        CHECK_FALSE(Decoder(bytes).bytes().has_value());
    }
    const Bytes fits = encoded({std::string(3, 'x')});
    CHECK(Decoder(fits).bytes().has_value());
}

TEST_CASE("the bytes that a decoder returns lie in its input") {
    const Bytes bytes = encoded({7U, std::string("text")});
    Decoder decoder(bytes);
    CHECK(decoder.u32() == 7U);
    const auto text = decoder.bytes();
    REQUIRE(text.has_value());
    CHECK(text->data() == bytes.data() + 8);
}
