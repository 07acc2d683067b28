#include <random>

#include "tests/chip/chip_fixture.h"

using namespace callring;
using namespace callring::test;

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
