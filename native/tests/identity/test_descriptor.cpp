#include <doctest/doctest.h>

#include <array>
#include <string_view>

#include "common/utf8.h"
#include "identity/descriptor.h"
#include "identity/encoder.h"
#include "identity/hashid.h"

using namespace callring;

namespace {
std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

Descriptor golden_chip() {
    return std::move(chip_callable_descriptor("a2a3sim", "tensormap_and_ringbuffer", bytes_of("blob"), {})).value();
}
}  // namespace

TEST_CASE("golden vector: a serialized Python callable of one byte") {
    const Descriptor descriptor = python_serialized_descriptor(bytes_of("x"));
    CHECK(descriptor.size() == 52);
    CHECK(to_hashid(descriptor_digest(descriptor)) ==
          "sha256:de153c00163f4359ec4822d056252279208c94a2d22135685e592ad08ed27bcb");
}

TEST_CASE("golden vector: a chip callable with an empty signature") {
    const Descriptor descriptor = golden_chip();
    CHECK(descriptor.size() == 127);
    CHECK(to_hashid(descriptor_digest(descriptor)) ==
          "sha256:588d5ab9f7206962e3e52a42a5243265f79f0a9f4d3db934ee9079173284d1b6");
}

TEST_CASE("golden vectors: signature schema hashes") {
    CHECK(to_hex(signature_schema_hash({})) == "7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8");
    constexpr std::array<Direction, 3> kSignature{Direction::in, Direction::in, Direction::out};
    CHECK(to_hex(signature_schema_hash(kSignature)) ==
          "ce92de584494e4e8cede4ff1a5cefb98b471876d9c2a7e7b69b352a005f22e1b");
}

TEST_CASE("each built descriptor is valid, and of its kind") {
    CHECK(*validate_descriptor(golden_chip()) == CallableKind::chip_callable);
    CHECK(*validate_descriptor(python_serialized_descriptor({})) == CallableKind::python_serialized);
    CHECK(*validate_descriptor(python_source_descriptor("a.b", "f", Digest{})) == CallableKind::python_source);
}

TEST_CASE("a descriptor that is cut short or has bytes behind it is refused") {
    for (Descriptor descriptor :
         {golden_chip(), python_serialized_descriptor({}), python_source_descriptor("a", "b", Digest{})}) {
        for (std::size_t size = 0; size < descriptor.size(); ++size) {
            CHECK_FALSE(validate_descriptor(std::span(descriptor).first(size)).ok());
        }
        descriptor.push_back(std::byte{0});
        CHECK_FALSE(validate_descriptor(descriptor).ok());
    }
}

TEST_CASE("the reserved kind, unknown kinds and unknown versions are refused") {
    for (const std::uint32_t kind : {0U, 3U, 5U, 0xFFFFFFFFU}) {
        Encoder encoder;
        encoder.u32(kDescriptorSchemaVersion);
        encoder.u32(kind);
        CHECK(validate_descriptor(std::move(encoder).take()).error().code == Code::kind_unsupported);
    }
    Descriptor descriptor = golden_chip();
    descriptor[0] = std::byte{2};
    CHECK(validate_descriptor(descriptor).error().code == Code::malformed);
}

TEST_CASE("an unknown platform has no architecture") {
    CHECK(*target_arch("a5sim") == "a5");
    CHECK(target_arch("").value().empty());
    CHECK(target_arch("a6").error().message.find("a6") != std::string::npos);
}

TEST_CASE("only well-formed UTF-8 is text") {
    for (const std::string_view good : {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8e\x89"}) {
        CHECK(is_utf8(bytes_of(good)));
    }
    for (const std::string_view bad : {"\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
        CHECK_FALSE(is_utf8(bytes_of(bad)));
    }
}
