// RestartPolicy: decides when a dead child is started again, and when it is given up.
// A child is given up after more than `limit` deaths within `window_ns`, or after more than `limit` processes in a row
// that ended before they had executed a task. Without a limit, only the second rule holds: a child is never given up
// because its tasks end it, but a child that cannot work is not restarted for ever, and its waiting tasks get an error.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "common/child_end.h"
#include "common/tuning.h"

namespace callring {

class RestartPolicy {
public:
    // How far the process had come when it died.
    enum class Life : std::uint8_t { never_ready, idle, worked };

    RestartPolicy() = default;
    RestartPolicy(std::optional<std::size_t> limit, std::uint64_t window_ns) : limit_(limit), window_ns_(window_ns) {}

    void started(std::uint64_t now_ns) noexcept { started_ns_ = now_ns; }

    // Counts a death. Returns when to start the next process; none: the child is given up.
    [[nodiscard]] std::optional<std::uint64_t> start_again_after_death(std::uint64_t now_ns, Life life) {
        // An idle process that dies long after the last death is no sign of a broken child.
        const bool useless = life == Life::never_ready || (life == Life::idle && within_window(now_ns));
        useless_ = useless ? useless_ + 1 : 0;
        while (!deaths_.empty() && now_ns - deaths_.front() > window_ns_) {
            deaths_.pop_front();
        }
        deaths_.push_back(now_ns);
        if ((limit_ && deaths_.size() > *limit_) || useless_ > limit_.value_or(tuning::kMostUselessStarts)) {
            return std::nullopt;
        }
        if (life == Life::never_ready) {
            return now_ns + std::min(tuning::kLongestRestartPauseNs,
                                     tuning::kRestartPauseNs << std::min<std::size_t>(useless_ - 1, 8));
        }
        return deaths_.size() > tuning::kPromptRestarts ? std::max(now_ns, started_ns_ + tuning::kRestartPauseNs)
                                                        : now_ns;
    }
    // Why the child is given up. Called after start_again_after_death() returned none.
    [[nodiscard]] GivenUp reason() const noexcept {
        if (limit_ && deaths_.size() > *limit_) {
            return {deaths_.size(), window_ns_, true};
        }
        return {useless_, std::nullopt, limit_.has_value()};
    }

private:
    [[nodiscard]] bool within_window(std::uint64_t now_ns) const noexcept {
        return !deaths_.empty() && now_ns - deaths_.back() <= window_ns_;
    }

    std::optional<std::size_t> limit_;
    std::uint64_t window_ns_ = 0;
    std::deque<std::uint64_t> deaths_;  // within the window, up to the last one
    std::size_t useless_ = 0;           // processes in a row that ended before they had executed a task
    std::uint64_t started_ns_ = 0;
};

}  // namespace callring
