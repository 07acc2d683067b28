#include <doctest/doctest.h>

#include "common/tuning.h"
#include "lane/spin.h"

using namespace callring;

TEST_CASE("spins that never pay off become short, and grow again when they do") {
    AdaptiveSpin spin;
    CHECK(spin.budget_ns() == tuning::kLongestSpinNs);
    for (int i = 0; i < 20; ++i) {
        CHECK_FALSE(spin([] { return false; }));
    }
    CHECK(spin.budget_ns() == tuning::kShortestSpinNs);
    int looks = 0;
    CHECK(spin([&looks] { return ++looks == 2; }));
    CHECK(spin.budget_ns() == 2 * tuning::kShortestSpinNs);
}

TEST_CASE("work that is ready at once changes no spin") {
    AdaptiveSpin spin;
    CHECK_FALSE(spin([] { return false; }));
    const auto budget = spin.budget_ns();
    CHECK(spin([] { return true; }));
    CHECK(spin.budget_ns() == budget);
}
