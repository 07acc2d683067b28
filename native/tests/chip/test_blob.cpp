#include <algorithm>
#include <random>
#include <string>

#include "tests/chip/chip_fixture.h"

using namespace callring;
using namespace callring::test;

namespace {

std::vector<std::byte> binary_of(std::size_t size, char first = 'k') {
    std::vector<std::byte> binary(size);
    for (std::size_t i = 0; i < size; ++i) {
        binary[i] = static_cast<std::byte>(static_cast<std::size_t>(first) + i);
    }
    return binary;
}

// Two kernels and an orchestration function, with binaries that are not loaded.
chip::BlobParts small_parts() {
    return {"entry",
            {Direction::in, Direction::scalar},
            binary_of(3),
            {{7, "second", "aic", {Direction::out}, binary_of(64)}, {2, "first", "aiv", {}, binary_of(65)}}};
}

// Bytes as the description in chip/blob.h lists them.
class Plain {
public:
    Plain& u32(std::uint32_t value) { return number(value, 4); }
    Plain& u64(std::uint64_t value) { return number(value, 8); }
    Plain& text(const std::string& value) {
        u32(static_cast<std::uint32_t>(value.size()));
        return raw({reinterpret_cast<const std::byte*>(value.data()), value.size()});
    }
    Plain& raw(std::span<const std::byte> value) {
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        return *this;
    }
    Plain& section() {
        while (bytes_.size() % 64 != 0) {
            bytes_.push_back(std::byte{0});
        }
        return *this;
    }
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

private:
    Plain& number(std::uint64_t value, int size) {
        for (int i = 0; i < size; ++i, value /= 256) {
            bytes_.push_back(static_cast<std::byte>(value % 256));
        }
        return *this;
    }
    std::vector<std::byte> bytes_;
};

// The sections of small_parts(), with the kernels in the given order.
std::vector<std::byte> plain_blob(bool by_func_id, std::uint64_t total) {
    Plain plain;
    plain.u32(0x42435243).u32(1).u64(total).u32(2).section();
    plain.u32(2).u32(1).u32(0).text("entry").u64(3).section().raw(binary_of(3)).section();
    for (const bool first : {by_func_id, !by_func_id}) {
        if (first) {
            plain.u32(2).text("first").text("aiv").u32(0).u64(65).section().raw(binary_of(65)).section();
        } else {
            plain.u32(7).text("second").text("aic").u32(1).u32(2).u64(64).section().raw(binary_of(64)).section();
        }
    }
    return plain.bytes();
}

chip::BlobParts random_parts(std::mt19937& random) {
    const auto name = [&](std::size_t number) {
        std::string text(random() % 90, 'x');
        return "_" + text + std::to_string(number);
    };
    const auto signature = [&] {
        Signature directions(random() % 20);
        for (Direction& direction : directions) {
            direction = static_cast<Direction>(random() % 4);
        }
        return directions;
    };
    chip::BlobParts parts{name(0), signature(), binary_of(1 + (random() % 200)), {}};
    for (std::size_t i = 1 + (random() % 5); i > 0; --i) {
        const auto func_id = static_cast<std::uint32_t>((random() % 1000) * 8 + i);
        parts.kernels.push_back({func_id, name(i), "aiv", signature(), binary_of(1 + (random() % 200))});
    }
    std::shuffle(parts.kernels.begin(), parts.kernels.end(), random);
    return parts;
}

bool same(const chip::BlobParts& a, const chip::BlobParts& b) {
    return a.entry == b.entry && a.signature == b.signature && a.orchestration == b.orchestration &&
           std::equal(a.kernels.begin(), a.kernels.end(), b.kernels.begin(), b.kernels.end(),
                      [](const chip::KernelPart& one, const chip::KernelPart& other) {
                          return one.func_id == other.func_id && one.name == other.name &&
                                 one.core_kind == other.core_kind && one.signature == other.signature &&
                                 one.binary == other.binary;
                      });
}

std::string refusal(chip::BlobParts parts) {
    const auto built = chip::build_blob(std::move(parts));
    REQUIRE_FALSE(built.ok());
    CHECK(built.error().code == Code::malformed);
    return built.error().message;
}

std::string refusal_of_bytes(std::span<const std::byte> blob) {
    const auto parsed = chip::parse_blob(blob);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == Code::malformed);
    return parsed.error().message;
}

}  // namespace

TEST_CASE("a blob gives back its parts, kernels by rising func_id") {
    auto parsed = chip::parse_blob(blob_of(entry_parts()));
    REQUIRE(parsed.ok());
    CHECK(parsed->entry == "pipeline_entry");
    CHECK(parsed->signature == Signature{Direction::inout, Direction::scalar});
    REQUIRE(parsed->kernels.size() == 2);
    CHECK(parsed->kernels[0].name == "fill");
    CHECK(parsed->kernels[1].name == "accumulate");
    CHECK(parsed->kernels[1].binary == read_file(KERNEL_ACCUMULATE));
}

TEST_CASE("the same parts give the same bytes, in any order of the kernels") {
    auto reversed = entry_parts();
    std::swap(reversed.kernels[0], reversed.kernels[1]);
    CHECK(blob_of(entry_parts()) == blob_of(reversed));
}

TEST_CASE("parts that do not fit together are refused with the part's name") {
    auto parts = entry_parts();
    parts.kernels[1].func_id = 1;
    CHECK(chip::build_blob(parts).error().message.find("func_id 1") != std::string::npos);
    parts = entry_parts();
    parts.kernels.clear();
    CHECK_FALSE(chip::build_blob(parts).ok());
    parts = entry_parts();
    parts.entry = "not an identifier";
    CHECK_FALSE(chip::build_blob(parts).ok());
    parts = fill_parts();
    parts.signature.pop_back();
    CHECK_FALSE(chip::build_blob(parts).ok());
    parts = entry_parts();
    parts.orchestration.clear();
    CHECK_FALSE(chip::build_blob(parts).ok());
}

TEST_CASE("a blob cut short anywhere is refused") {
    const auto blob = blob_of(fill_parts());
    for (std::size_t size = 0; size < blob.size(); size += 7) {
        CHECK_FALSE(chip::parse_blob(std::span(blob).first(size)).ok());
    }
}

TEST_CASE("a blob with any changed byte is refused or is the canonical form of something else") {
    const auto blob = blob_of(fill_parts());
    std::mt19937 random(5);
    for (int i = 0; i < 3000; ++i) {
        auto changed = blob;
        changed[i < 300 ? static_cast<std::size_t>(i) : random() % changed.size()] ^=
            static_cast<std::byte>(1 + (random() % 255));
        auto parsed = chip::parse_blob(changed);
        if (parsed) {
            REQUIRE(blob_of(*parsed) == changed);
        }
    }
}

TEST_CASE("bytes behind a blob are refused") {
    auto blob = blob_of(fill_parts());
    blob.resize(blob.size() + 64);
    CHECK_FALSE(chip::parse_blob(blob).ok());
}

TEST_CASE("a blob has exactly the sections of its description, kernels by rising func_id and zeros between") {
    const auto blob = blob_of(small_parts());
    CHECK(blob == plain_blob(true, blob.size()));
    CHECK(blob.size() % chip::kBlobAlignment == 0);
}

TEST_CASE("a blob whose kernels are in another order, or whose padding is not zero, is not in canonical form") {
    const auto blob = blob_of(small_parts());
    const auto reversed = plain_blob(false, blob.size());
    CHECK(reversed.size() == blob.size());
    CHECK(refusal_of_bytes(reversed) == "chip callable: not in canonical form");
    std::size_t paddings = 0;
    const auto parts = small_parts();
    for (std::size_t at = 0; at < blob.size(); ++at) {
        auto changed = blob;
        changed[at] ^= std::byte{0x40};
        const auto parsed = chip::parse_blob(changed);
        if (!parsed && parsed.error().message.find("canonical") != std::string::npos) {
            ++paddings;
        }
        REQUIRE((!parsed || !same(*parsed, parts)));
    }
    CHECK(paddings > 100);
}

TEST_CASE("random parts build a blob that parses back to them, and builds again to the same bytes") {
    std::mt19937 random(3);
    for (int round = 0; round < 300; ++round) {
        CAPTURE(round);
        auto parts = random_parts(random);
        const auto blob = blob_of(parts);
        const auto parsed = chip::parse_blob(blob);
        REQUIRE(parsed.ok());
        std::sort(parts.kernels.begin(), parts.kernels.end(),
                  [](const auto& a, const auto& b) { return a.func_id < b.func_id; });
        REQUIRE(same(*parsed, parts));
        REQUIRE(blob_of(*parsed) == blob);
    }
}

TEST_CASE("the error of parts that do not fit together says what is wrong") {
    auto parts = small_parts();
    parts.kernels.clear();
    CHECK(refusal(parts) == "chip callable: it has no kernel");
    parts = small_parts();
    parts.entry = "2nd";
    CHECK(refusal(parts) == "chip callable: entry '2nd' is not a C identifier");
    parts = small_parts();
    parts.kernels[0].core_kind.clear();
    CHECK(refusal(parts) == "chip callable: kernel name 'second' or core kind '' is not a C identifier");
    parts = small_parts();
    parts.kernels[0].binary.clear();
    CHECK(refusal(parts) == "chip callable: kernel second has an empty binary");
    parts = small_parts();
    parts.kernels[0].name = "first";
    CHECK(refusal(parts) == "chip callable: two kernels share func_id 7 or name first");
    parts = small_parts();
    parts.orchestration.clear();
    parts.kernels.pop_back();
    CHECK(refusal(parts).find("it must be one kernel with the public name and signature") != std::string::npos);
}

TEST_CASE("a name is a C identifier of at most 255 ASCII characters") {
    const auto fits = [](const std::string& name) {
        auto parts = small_parts();
        parts.kernels[1].name = name;
        return chip::build_blob(std::move(parts)).ok();
    };
    for (const std::string& good : {std::string("a"), std::string("_"), std::string("Z9_"), std::string(255, 'n')}) {
        CHECK(fits(good));
    }
    for (const std::string& bad :
         {std::string(), std::string("9a"), std::string("a b"), std::string("a-b"), std::string("a\0b", 3),
          std::string("\xC3\xA9"), std::string("\xE9"), std::string(256, 'n'), std::string("a\n")}) {
        CAPTURE(bad);
        CHECK_FALSE(fits(bad));
    }
}

TEST_CASE("the longest signature builds and parses, and a longer one does not build") {
    for (const bool of_kernel : {false, true}) {
        auto parts = small_parts();
        Signature& signature = of_kernel ? parts.kernels[1].signature : parts.signature;
        signature.assign(4096, Direction::in);
        CHECK(chip::parse_blob(blob_of(parts)).ok());
        signature.push_back(Direction::in);
        CHECK(refusal(parts) == "chip callable: the signature of " + std::string(of_kernel ? "first" : "entry") +
                                    " has 4097 directions; the most is 4096");
    }
}

TEST_CASE("a direction that is none builds no blob") {
    auto parts = small_parts();
    parts.signature[0] = static_cast<Direction>(4);
    CHECK(refusal(parts) == "chip callable: the signature of entry has the unknown direction 4");
}

TEST_CASE("counts and sizes that exceed the blob are refused, however large they are") {
    const auto blob = blob_of(small_parts());
    struct Field {
        std::size_t at;
        std::size_t bytes;
    };
    // The number of kernels; of directions; the entry's length; the orchestration's and the first kernel's bytes.
    for (const auto [at, bytes] : {Field{16, 4}, Field{64, 4}, Field{76, 4}, Field{85, 8}, Field{216, 8}}) {
        CAPTURE(at);
        for (const std::byte value : {std::byte{0xFF}, std::byte{0x7F}}) {
            auto changed = blob;
            std::fill_n(changed.begin() + static_cast<std::ptrdiff_t>(at), bytes, value);
            CHECK(refusal_of_bytes(changed) == "chip callable: it ends inside a section, or a count is impossible");
        }
    }
}

TEST_CASE("the first wrong field of a header is named") {
    auto blob = blob_of(small_parts());
    CHECK(refusal_of_bytes({}) == "chip callable: not a chip callable (magic)");
    blob.resize(blob.size() + 64);
    CHECK(refusal_of_bytes(blob) == "chip callable: its size contradicts its header");
    blob[4] = std::byte{2};
    CHECK(refusal_of_bytes(blob) == "chip callable: blob version 2 is not 1");
    blob[0] ^= std::byte{1};
    CHECK(refusal_of_bytes(blob) == "chip callable: not a chip callable (magic)");
}
