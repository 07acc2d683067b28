// Movable: the frames of a sub-worker that have not begun and may move to another one. A task that follows another one
// in its lane relies on that lane: the two can only move together, and so can a whole chain. Only the last kWindow
// frames are considered, so that a long queue is not searched again and again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "children/child.h"

namespace callring {

class Movable {
public:
    static constexpr std::size_t kWindow = 64;

    // The first frame in flight counts as begun. Valid while nothing is dispatched or ends.
    explicit Movable(const Child& child);

    [[nodiscard]] bool any() const;
    // Places in `child.in_flight`, ascending: about half of its frames, those queued last, with all frames that they
    // rely on and all that rely on them.
    [[nodiscard]] std::vector<std::size_t> half() const;

    // The predecessors of `task` in its lane that are in flight; `task` is in flight in `child`.
    [[nodiscard]] static std::vector<TaskPtr> followed_by(const Child& child, const Task& task);

private:
    [[nodiscard]] std::size_t part_of(
        std::size_t i) const;  // the part of the window that moves together, named by its first frame
    void join(std::size_t i, std::size_t k);

    const Child& child_;
    std::size_t first_;  // the begin of the window in `in_flight`
    std::size_t size_;
    std::array<std::size_t, kWindow> parent_{};
    std::array<bool, kWindow> fixed_{};  // by part: it relies on frames before the window, or has begun
};

}  // namespace callring
