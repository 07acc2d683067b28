#include <doctest/doctest.h>

#include "common/tuning.h"
#include "processes/restart_policy.h"

using callring::RestartPolicy;
namespace tuning = callring::tuning;
using Life = RestartPolicy::Life;

namespace {
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kWindow = 60 * kSecond;
}  // namespace

TEST_CASE("with a limit, one more death than the limit within the window gives the child up") {
    RestartPolicy policy(2, kWindow);
    CHECK(policy.start_again_after_death(kSecond, Life::worked) == kSecond);
    CHECK(policy.start_again_after_death(2 * kSecond, Life::worked) == 2 * kSecond);
    CHECK_FALSE(policy.start_again_after_death(3 * kSecond, Life::worked));
    CHECK(policy.reason().count == 3);
    CHECK(policy.reason().window_ns == 60 * kSecond);
}

TEST_CASE("deaths before the window are forgotten") {
    RestartPolicy policy(1, kWindow);
    for (std::uint64_t at = kSecond; at < 1000 * kSecond; at += kWindow + kSecond) {
        CHECK(policy.start_again_after_death(at, Life::worked) == at);
    }
}

TEST_CASE("without a limit no number of deaths at work gives the child up, but later restarts are spaced by a pause") {
    RestartPolicy policy(std::nullopt, kWindow);
    std::uint64_t now = kSecond;
    for (std::size_t death = 1; death <= 1000; ++death) {
        policy.started(now);
        const auto again = policy.start_again_after_death(now + 1, Life::worked);
        REQUIRE(again);
        CHECK(*again == (death <= tuning::kPromptRestarts ? now + 1 : now + tuning::kRestartPauseNs));
        now = *again;
    }
}

TEST_CASE("a child that lived longer than the pause is started again at once, however often it died") {
    RestartPolicy policy(std::nullopt, kWindow);
    for (std::size_t death = 1; death <= 100; ++death) {
        const std::uint64_t now = kSecond + (death * tuning::kRestartPauseNs);
        policy.started(now - tuning::kRestartPauseNs);
        CHECK(policy.start_again_after_death(now, Life::worked) == now);
    }
}

TEST_CASE("without a limit a child that cannot start is given up, however long each attempt takes") {
    for (const std::uint64_t attempt : {std::uint64_t{1}, 10 * kWindow}) {
        RestartPolicy policy(std::nullopt, kWindow);
        std::uint64_t now = kSecond;
        for (std::size_t i = 0; i < tuning::kMostUselessStarts; ++i) {
            now += attempt;
            const auto again = policy.start_again_after_death(now, Life::never_ready);
            REQUIRE(again);
            CHECK(*again >= now + tuning::kRestartPauseNs);
            CHECK(*again <= now + tuning::kLongestRestartPauseNs);
            now = *again;
        }
        CHECK_FALSE(policy.start_again_after_death(now + attempt, Life::never_ready));
        CHECK(policy.reason().count == 11);
        CHECK_FALSE(policy.reason().window_ns);
    }
}

TEST_CASE("with a limit as well, slow attempts to start come to an end") {
    RestartPolicy policy(1, kWindow);
    CHECK(policy.start_again_after_death(kWindow * 2, Life::never_ready));
    CHECK_FALSE(policy.start_again_after_death(kWindow * 4, Life::never_ready));
}

TEST_CASE("a process that worked, or was idle for long, is no failed start, and resets the count of failed starts") {
    RestartPolicy policy(std::nullopt, kWindow);
    std::uint64_t now = kSecond;
    for (const Life life : {Life::worked, Life::idle}) {
        for (int times = 0; times < 5; ++times) {
            for (std::size_t i = 0; i < tuning::kMostUselessStarts; ++i) {
                CHECK(policy.start_again_after_death(++now, Life::never_ready));
            }
            now += 2 * kWindow;
            CHECK(policy.start_again_after_death(now, life));
        }
    }
}

TEST_CASE("processes that die idle one right after the other are failed starts") {
    RestartPolicy policy(std::nullopt, kWindow);
    CHECK(policy.start_again_after_death(kSecond, Life::worked));
    for (std::size_t i = 0; i < tuning::kMostUselessStarts; ++i) {
        CHECK(policy.start_again_after_death(kSecond + i, Life::idle));
    }
    CHECK_FALSE(policy.start_again_after_death(2 * kSecond, Life::idle));
}
