#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "common/tuning.h"
#include "processes/restart_policy.h"

using callring::RestartPolicy;
namespace tuning = callring::tuning;
using Life = RestartPolicy::Life;

namespace {
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kWindow = 60 * kSecond;

// The rules of the header, from the list of all deaths.
struct Plain {
    struct Death {
        std::uint64_t at;
        Life life;
    };
    std::optional<std::size_t> limit;
    std::vector<Death> deaths{};

    [[nodiscard]] std::size_t within_window() const {
        return static_cast<std::size_t>(std::count_if(
            deaths.begin(), deaths.end(), [&](const Death& death) { return deaths.back().at - death.at <= kWindow; }));
    }
    // The processes in a row, up to the last one, that ended before they had executed a task.
    [[nodiscard]] std::size_t useless() const {
        std::size_t count = 0;
        for (std::size_t i = deaths.size(); i-- > 0; ++count) {
            const bool soon = i > 0 && deaths[i].at - deaths[i - 1].at <= kWindow;
            if (deaths[i].life == Life::worked || (deaths[i].life == Life::idle && !soon)) {
                break;
            }
        }
        return count;
    }
    [[nodiscard]] bool gives_up() const {
        return (limit && within_window() > *limit) || useless() > limit.value_or(tuning::kMostUselessStarts);
    }
};
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

TEST_CASE("random deaths give a child up exactly when the rules say so, with the rule that was broken as the reason") {
    std::mt19937 random(1);
    int given_up = 0;
    for (int round = 0; round < 3000; ++round) {
        CAPTURE(round);
        const auto limit = random() % 3 == 0 ? std::nullopt : std::optional<std::size_t>(random() % 5);
        RestartPolicy policy(limit, kWindow);
        Plain plain{limit};
        std::uint64_t now = kSecond;
        for (int death = 0; death < 40; ++death) {
            policy.started(now);
            now += random() % 4 == 0 ? random() % (3 * kWindow) : random() % kSecond;
            const auto life = static_cast<Life>(random() % 3);
            plain.deaths.push_back({now, life});
            const auto again = policy.start_again_after_death(now, life);
            REQUIRE(again.has_value() == !plain.gives_up());
            if (!again) {
                const auto reason = policy.reason();
                const bool by_window = limit && plain.within_window() > *limit;
                CHECK(reason.window_ns == (by_window ? std::optional(kWindow) : std::nullopt));
                CHECK(reason.count == (by_window ? plain.within_window() : plain.useless()));
                CHECK(reason.limited == limit.has_value());
                ++given_up;
                break;
            }
            REQUIRE(*again >= now);
            REQUIRE(*again <= now + tuning::kLongestRestartPauseNs);
            now = *again;
        }
    }
    CHECK(given_up > 1000);
    CHECK(given_up < 3000);
}

TEST_CASE("a limit of zero allows no death, and a window of zero counts deaths of one moment only") {
    RestartPolicy none(0, kWindow);
    CHECK_FALSE(none.start_again_after_death(kSecond, Life::worked));
    CHECK(none.reason().count == 1);
    RestartPolicy moment(1, 0);
    CHECK(moment.start_again_after_death(kSecond, Life::worked));
    CHECK(moment.start_again_after_death(kSecond + 1, Life::worked));
    CHECK_FALSE(moment.start_again_after_death(kSecond + 1, Life::worked));
    CHECK(moment.reason().count == 2);
}

TEST_CASE("each start that fails waits twice as long as the one before, up to the longest pause") {
    RestartPolicy policy(std::nullopt, kWindow);
    std::uint64_t pause = tuning::kRestartPauseNs;
    for (std::size_t i = 0; i < tuning::kMostUselessStarts; ++i) {
        CHECK(policy.start_again_after_death(kSecond, Life::never_ready) == kSecond + pause);
        pause = std::min(2 * pause, tuning::kLongestRestartPauseNs);
    }
}
