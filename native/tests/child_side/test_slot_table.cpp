#include <doctest/doctest.h>

#include <memory>

#include "child_side/slot_table.h"

using namespace callring;

namespace {
Digest name(int number) {
    Digest digest{};
    digest[0] = static_cast<std::byte>(number);
    return digest;
}
std::shared_ptr<int> callable(int number) {
    return std::make_shared<int>(number);
}
}  // namespace

TEST_CASE("two children may keep the same identity in different slots, and both resolve it") {
    SlotTable<int> one(4);
    SlotTable<int> other(4);
    REQUIRE(one.install(name(1), callable(1)).ok());
    REQUIRE(one.install(name(2), callable(2)).ok());
    REQUIRE(other.install(name(2), callable(2)).ok());
    CHECK(one.slot_of(name(2)) == 1);
    CHECK(other.slot_of(name(2)) == 0);
    CHECK(*one.resolve(name(2)) == *other.resolve(name(2)));
}

TEST_CASE("a removal frees a slot for another callable, and a callable that is executing outlives its removal") {
    SlotTable<int> table(1);
    REQUIRE(table.install(name(1), callable(1)).ok());
    const auto executing = table.resolve(name(1));
    CHECK(table.install(name(2), callable(2)).error().code == Code::slot_exhausted);
    REQUIRE(table.remove(name(1)).ok());
    CHECK(table.resolve(name(1)) == nullptr);
    CHECK(*executing == 1);
    REQUIRE(table.install(name(2), callable(2)).ok());
    CHECK(table.slot_of(name(2)) == 0);
}

TEST_CASE("a callable that is not installed cannot be removed, and each removal changes the version") {
    SlotTable<int> table(1);
    REQUIRE(table.install(name(1), callable(1)).ok());
    const auto before = table.version();
    CHECK(table.remove(name(2)).error().code == Code::not_installed);
    CHECK(table.version() == before);
    CHECK(table.resolve(name(1)) != nullptr);
    REQUIRE(table.remove(name(1)).ok());
    CHECK(table.version() != before);
}
