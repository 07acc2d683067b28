#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <optional>
#include <random>
#include <set>
#include <string>
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

// Bytes as the specification lists them: numbers of four bytes, the lowest first, and raw bytes.
class Plain {
public:
    Plain& number(std::uint32_t value) {
        for (int i = 0; i < 4; ++i, value /= 256) {
            bytes_.push_back(static_cast<std::byte>(value % 256));
        }
        return *this;
    }
    Plain& text(std::string_view value) { return number(static_cast<std::uint32_t>(value.size())).raw(value); }
    Plain& digest(const Digest& value) {
        number(32);
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        return *this;
    }
    [[nodiscard]] const Descriptor& bytes() const { return bytes_; }

private:
    Plain& raw(std::string_view value) {
        const auto bytes = bytes_of(value);
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    Descriptor bytes_;
};

// A second reading of the specification, by offsets: the kind of a valid descriptor; none, if it is not valid.
std::optional<std::uint32_t> kind_of(const Descriptor& bytes) {
    std::size_t at = 0;
    const auto number = [&]() -> std::uint64_t {
        std::uint32_t value = 0;
        at += 4;
        if (at <= bytes.size()) {
            std::memcpy(&value, bytes.data() + at - 4, 4);  // the machine is little-endian
        }
        return value;
    };
    const auto text = [&](bool is_digest) {
        const std::uint64_t size = number();
        at += size;
        return at <= bytes.size() &&
               (is_digest ? size == 32 : is_utf8(std::span(bytes).subspan(at - size, static_cast<std::size_t>(size))));
    };
    const auto digest = [&] { return text(true); };
    if (bytes.size() < 8 || number() != 1) {
        return std::nullopt;
    }
    const auto kind = static_cast<std::uint32_t>(number());
    bool valid = false;
    if (kind == 1) {
        valid = text(false) && text(false) && text(false) && digest() && digest();
    } else if (kind == 2) {
        valid = number() == 1 && number() == 1 && digest();
    } else if (kind == 4) {
        valid = text(false) && text(false) && digest();
    }
    return valid && at == bytes.size() ? std::optional(kind) : std::nullopt;
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

TEST_CASE("a descriptor has exactly the fields of its kind, in the order of the specification") {
    constexpr std::array<Direction, 2> kSignature{Direction::scalar, Direction::inout};
    CHECK(*chip_callable_descriptor("a5sim", "run", bytes_of("blob"), kSignature) ==
          Plain()
              .number(1)
              .number(1)
              .text("a5")
              .text("a5sim")
              .text("run")
              .digest(sha256(bytes_of("blob")))
              .digest(signature_schema_hash(kSignature))
              .bytes());
    CHECK(python_serialized_descriptor(bytes_of("pickle")) ==
          Plain().number(1).number(2).number(1).number(1).digest(sha256(bytes_of("pickle"))).bytes());
    const Digest source = sha256(bytes_of("source"));
    CHECK(python_source_descriptor("package.module", "Class.method", source) ==
          Plain().number(1).number(4).text("package.module").text("Class.method").digest(source).bytes());
}

TEST_CASE("a signature's hash is that of its version, count and directions, and no two signatures share one") {
    constexpr std::array<Direction, 3> kThree{Direction::out, Direction::scalar, Direction::in};
    CHECK(signature_schema_hash(kThree) == sha256(Plain().number(1).number(3).number(2).number(0).number(1).bytes()));
    std::set<Digest> hashes;
    std::vector<std::vector<Direction>> signatures{{}};
    for (std::size_t i = 0; i < signatures.size(); ++i) {
        hashes.insert(signature_schema_hash(signatures[i]));
        for (std::uint32_t next = 0; next < 4 && signatures[i].size() < 4; ++next) {
            auto longer = signatures[i];
            longer.push_back(static_cast<Direction>(next));
            signatures.push_back(std::move(longer));
        }
    }
    CHECK(signatures.size() == 341);
    CHECK(hashes.size() == signatures.size());
}

TEST_CASE("each part of a chip callable is part of its identity") {
    constexpr std::array<Direction, 1> kIn{Direction::in};
    constexpr std::array<Direction, 1> kOut{Direction::out};
    std::set<Digest> digests;
    const auto add = [&](std::string_view platform, std::string_view runtime, std::string_view blob,
                         std::span<const Direction> signature) {
        digests.insert(descriptor_digest(*chip_callable_descriptor(platform, runtime, bytes_of(blob), signature)));
    };
    add("a2a3sim", "run", "blob", kIn);
    add("a2a3", "run", "blob", kIn);
    add("a5sim", "run", "blob", kIn);
    add("", "run", "blob", kIn);
    add("a2a3sim", "other", "blob", kIn);
    add("a2a3sim", "run", "other", kIn);
    add("a2a3sim", "run", "blob", kOut);
    add("a2a3sim", "run", "blob", {});
    add("a2a3sim", "runblob", "", kIn);  // a length separates the fields
    CHECK(digests.size() == 9);
}

TEST_CASE("a chip callable for an unknown platform is refused, with the platform's name") {
    for (const std::string_view unknown : {"a2a3si", "a2a3sim ", "A5", "sim"}) {
        const auto descriptor = chip_callable_descriptor(unknown, "run", bytes_of("blob"), {});
        REQUIRE_FALSE(descriptor.ok());
        CHECK(descriptor.error().code == Code::invalid_argument);
        CHECK(descriptor.error().message == "unknown platform '" + std::string(unknown) + "'");
    }
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

TEST_CASE("the error of a refused descriptor says which part is wrong") {
    const auto message = [](const Descriptor& descriptor) { return validate_descriptor(descriptor).error().message; };
    CHECK(message(Plain().number(1).bytes()) == "descriptor is shorter than its version and kind");
    CHECK(message(Plain().number(7).number(1).bytes()) == "descriptor schema version 7 is not known");
    CHECK(message(Plain().number(1).number(3).bytes()) == "callable kind 3 is not known");
    CHECK(message(Plain().number(1).number(2).bytes()) == "descriptor fields are malformed");
}

TEST_CASE("a payload format, a serializer or a length of a digest that is not known is refused") {
    const Digest digest{};
    CHECK(validate_descriptor(Plain().number(1).number(2).number(1).number(1).digest(digest).bytes()).ok());
    CHECK_FALSE(validate_descriptor(Plain().number(1).number(2).number(2).number(1).digest(digest).bytes()).ok());
    CHECK_FALSE(validate_descriptor(Plain().number(1).number(2).number(1).number(0).digest(digest).bytes()).ok());
    for (const std::size_t size : {0U, 31U, 33U, 64U}) {
        CAPTURE(size);
        const std::string text(size, 'x');
        CHECK_FALSE(validate_descriptor(Plain().number(1).number(2).number(1).number(1).text(text).bytes()).ok());
        CHECK_FALSE(validate_descriptor(Plain().number(1).number(4).text("a").text("b").text(text).bytes()).ok());
    }
}

TEST_CASE("a text in a descriptor that is no UTF-8 is refused, in each of its places") {
    const Digest digest{};
    for (std::size_t bad = 0; bad < 4; ++bad) {
        CAPTURE(bad);
        const auto text = [bad](std::size_t place) { return place == bad ? "\xC0\x80" : "text"; };
        CHECK(validate_descriptor(Plain()
                                      .number(1)
                                      .number(1)
                                      .text(text(0))
                                      .text(text(1))
                                      .text(text(2))
                                      .digest(digest)
                                      .digest(digest)
                                      .bytes())
                  .ok() == (bad == 3));
        CHECK(
            validate_descriptor(Plain().number(1).number(4).text(text(0)).text(text(1)).digest(digest).bytes()).ok() ==
            (bad >= 2));
    }
}

TEST_CASE("of damaged descriptors exactly those are valid that the specification allows") {
    std::mt19937 random(6);
    const std::array<Descriptor, 3> whole{golden_chip(), python_serialized_descriptor(bytes_of("x")),
                                          python_source_descriptor("a.b", "f", Digest{})};
    int valid = 0;
    for (int round = 0; round < 30'000; ++round) {
        Descriptor bytes = whole[random() % whole.size()];
        for (std::size_t changes = random() % 3; changes > 0; --changes) {
            bytes[random() % (random() % 2 == 0 ? 24 : bytes.size())] = static_cast<std::byte>(random() % 34);
        }
        if (random() % 8 == 0) {
            bytes.resize(random() % (bytes.size() + 4));
        }
        const auto kind = kind_of(bytes);
        const auto read = validate_descriptor(bytes);
        REQUIRE(read.ok() == kind.has_value());
        if (kind) {
            REQUIRE(static_cast<std::uint32_t>(*read) == *kind);
            ++valid;
        }
    }
    CHECK(valid > 5000);
    CHECK(valid < 25'000);
}

TEST_CASE("an unknown platform has no architecture") {
    for (const auto& [platform, arch] :
         {std::pair("a2a3", "a2a3"), std::pair("a2a3sim", "a2a3"), std::pair("a5", "a5"), std::pair("a5sim", "a5")}) {
        CHECK(*target_arch(platform) == arch);
    }
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
