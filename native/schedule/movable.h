// Movable: which of the frames that a sub-worker has not begun may go to another one. A task that follows another one
// in its lane relies on that lane; the two can only move together, and so can a whole chain. Looks at the frames that
// were queued last, at most kWindow: a long queue is not gone through again and again.
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
    // Places in `child.in_flight`, ascending: of about half of its frames, those queued last, with all that they rely
    // on and all that relies on them.
    [[nodiscard]] std::vector<std::size_t> half() const;

    // The tasks of `child` that `task`, which is in flight there, follows in its lane and that are in flight, too.
    [[nodiscard]] static std::vector<TaskPtr> followed_by(const Child& child, const Task& task);

private:
    [[nodiscard]] std::size_t part_of(std::size_t i) const;  // of the window: what moves together, named by its first
    void join(std::size_t i, std::size_t k);

    const Child& child_;
    std::size_t first_;  // of the window, in `in_flight`
    std::size_t size_;
    std::array<std::size_t, kWindow> parent_{};
    std::array<bool, kWindow> fixed_{};  // by part: it relies on what lies before the window, or has begun
};

}  // namespace callring
