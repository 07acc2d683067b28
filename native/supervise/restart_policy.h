// RestartPolicy: when a child that keeps dying is given up: after more than `limit` deaths within `window_ns`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace callring {

class RestartPolicy {
public:
    RestartPolicy() = default;
    RestartPolicy(std::size_t limit, std::uint64_t window_ns) : limit_(limit), window_ns_(window_ns) {}

    // Counts a death. True: start it again.
    [[nodiscard]] bool restart_after_death(std::uint64_t now_ns) {
        while (!deaths_.empty() && now_ns - deaths_.front() > window_ns_) {
            deaths_.pop_front();
        }
        deaths_.push_back(now_ns);
        return deaths_.size() <= limit_;
    }
    // Deaths within the window, up to the last one counted.
    [[nodiscard]] std::size_t deaths() const noexcept { return deaths_.size(); }

private:
    std::size_t limit_ = 0;
    std::uint64_t window_ns_ = 0;
    std::deque<std::uint64_t> deaths_;
};

}  // namespace callring
