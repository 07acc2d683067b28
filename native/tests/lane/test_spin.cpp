#include <doctest/doctest.h>

#include "lane/spin.h"

using namespace callring;

TEST_CASE("spins that are never worth it become short, and grow again when they are") {
    AdaptiveSpin spin;
    CHECK(spin.budget_ns() == AdaptiveSpin::kMostNs);
    for (int i = 0; i < 20; ++i) {
        CHECK_FALSE(spin([] { return false; }));
    }
    CHECK(spin.budget_ns() == AdaptiveSpin::kLeastNs);
    int looks = 0;
    CHECK(spin([&looks] { return ++looks == 2; }));
    CHECK(spin.budget_ns() == 2 * AdaptiveSpin::kLeastNs);
}

TEST_CASE("what is ready at once says nothing about spinning") {
    AdaptiveSpin spin;
    CHECK_FALSE(spin([] { return false; }));
    const auto budget = spin.budget_ns();
    CHECK(spin([] { return true; }));
    CHECK(spin.budget_ns() == budget);
}
