#include "schedule/movable.h"

#include <algorithm>

#include "common/tuning.h"

namespace callring {

namespace {

// The position of the frame `sequence` in `in_flight`, which is ordered by sequence numbers; `in_flight.size()` if
// there is no such frame.
std::size_t place_of(const std::deque<Task*>& in_flight, std::uint64_t sequence) {
    const auto found = std::lower_bound(in_flight.begin(), in_flight.end(), sequence,
                                        [](const Task* task, std::uint64_t wanted) { return task->sequence < wanted; });
    return found != in_flight.end() && (*found)->sequence == sequence
               ? static_cast<std::size_t>(found - in_flight.begin())
               : in_flight.size();
}

// Calls `visit` with the place of each predecessor of `task` that is in flight in its lane.
template <class Visit>
void for_each_followed(const Child& child, const Task& task, const Visit& visit) {
    if (task.unmet == 0) {
        return;
    }
    task.in_lane.for_each([&](std::uint32_t distance) {
        const std::size_t place = place_of(child.in_flight, task.sequence - distance);
        if (place < child.in_flight.size()) {
            visit(place);
        }
    });
}

}  // namespace

Movable::Movable(const Child& child)
    : child_(child),
      first_(
          std::max<std::size_t>(1, child.in_flight.size() - std::min(child.in_flight.size(), tuning::kMovableWindow))),
      size_(child.in_flight.size() - std::min(child.in_flight.size(), first_)) {
    for (std::size_t i = 0; i < size_; ++i) {
        const Task& task = *child.in_flight[first_ + i];
        parent_.at(i) = i;
        // A group's members begin together, and a task is skipped only in the lane in which its predecessor failed.
        fixed_.at(i) = task.group != nullptr || task.root_cause;
        for_each_followed(child, task, [&](std::size_t place) {
            if (place < first_) {
                fixed_.at(part_of(i)) = true;
            } else {
                join(i, place - first_);
            }
        });
    }
}

bool Movable::any() const {
    for (std::size_t i = size_; i-- > 0;) {
        if (!fixed_.at(part_of(i))) {
            return true;
        }
    }
    return false;
}

std::vector<std::size_t> Movable::half() const {
    const std::size_t wanted = child_.in_flight.size() / 2;
    std::array<bool, tuning::kMovableWindow> taken{};  // by part
    std::size_t count = 0;
    for (std::size_t i = size_; i-- > 0 && count < wanted;) {
        const std::size_t part = part_of(i);
        if (fixed_.at(part) || taken.at(part)) {
            continue;
        }
        taken.at(part) = true;
        for (std::size_t k = 0; k < size_; ++k) {
            count += part_of(k) == part ? 1 : 0;
        }
    }
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < size_; ++i) {
        if (taken.at(part_of(i))) {
            places.push_back(first_ + i);
        }
    }
    return places;
}

std::vector<Task*> Movable::followed_by(const Child& child, const Task& task) {
    std::vector<Task*> followed;
    for_each_followed(child, task, [&](std::size_t place) { followed.push_back(child.in_flight[place]); });
    return followed;
}

std::size_t Movable::part_of(std::size_t i) const {
    while (parent_.at(i) != i) {
        i = parent_.at(i);
    }
    return i;
}

void Movable::join(std::size_t i, std::size_t k) {
    const std::size_t a = part_of(i);
    const std::size_t b = part_of(k);
    parent_.at(std::max(a, b)) = std::min(a, b);
    fixed_.at(std::min(a, b)) = fixed_.at(a) || fixed_.at(b);
}

}  // namespace callring
