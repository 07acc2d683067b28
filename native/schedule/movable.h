// Movable: the frames of a sub-worker that have not begun and may move to another sub-worker. A task that follows
// another one in its lane relies on that lane: the two can only move together, and a chain only as a whole. Only the
// last kMovableWindow frames are considered, so that a long queue is not searched again and again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "children/child.h"
#include "common/tuning.h"

namespace callring {

class Movable {
public:
    // The first frame in flight counts as begun. Valid while no task is dispatched or ends.
    explicit Movable(const Child& child);

    [[nodiscard]] bool any() const;
    // Ascending positions in `child.in_flight` of about half of its frames: the last queued ones, with all frames that
    // they rely on and all that rely on them.
    [[nodiscard]] std::vector<std::size_t> half() const;

    // The predecessors of `task` in its lane that are in flight; `task` is in flight in `child`.
    [[nodiscard]] static std::vector<Task*> followed_by(const Child& child, const Task& task);

private:
    // The frames of the window that move together with its frame `i`, named by the first of them.
    [[nodiscard]] std::size_t part_of(std::size_t i) const;
    void join(std::size_t i, std::size_t k);

    const Child& child_;
    std::size_t first_;  // where the window begins in `in_flight`
    std::size_t size_;
    std::array<std::size_t, tuning::kMovableWindow> parent_{};
    std::array<bool, tuning::kMovableWindow>
        fixed_{};  // by part: a frame cannot move, or relies on one before the window
};

}  // namespace callring
