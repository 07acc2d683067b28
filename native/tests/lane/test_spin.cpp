#include <doctest/doctest.h>

#include "lane/spin.h"
#include "lane/spinners.h"

using namespace callring;

TEST_CASE("no more children spin than may") {
    Spinners spinners{2, {}};
    CHECK(spinners.enter(0));
    CHECK(spinners.enter(200));
    CHECK_FALSE(spinners.enter(7));
    spinners.leave(200);
    CHECK(spinners.enter(7));
}

TEST_CASE("a child that died while it spun is taken out, once or twice") {
    Spinners spinners{1, {}};
    CHECK(spinners.enter(3));
    spinners.leave(3);
    spinners.leave(3);
    CHECK(spinners.enter(4));
    CHECK_FALSE(spinners.enter(3));
}

TEST_CASE("a child beyond the last place never spins") {
    Spinners spinners{8, {}};
    CHECK_FALSE(spinners.enter(Spinners::kPlaces));
    spinners.leave(Spinners::kPlaces);
    CHECK(spinners.enter(0));
}

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
