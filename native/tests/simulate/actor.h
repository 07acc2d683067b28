// Actor: a child process as the simulator plays it: the real child's end of the lane, and the child's state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "children/child.h"
#include "lane/bell.h"
#include "lane/child_lane.h"
#include "tests/simulate/random.h"

namespace callring::simulate {

class Actor {
public:
    // Plays the current incarnation of `child`, whose lane is new.
    void attach(Child& child, const ParentBell& bell);

    // The child claims its next frame; null if there is none: then it sleeps until it is woken.
    [[nodiscard]] const Frame* claim();
    // Whether the child is awake: the parent has woken it since it went to sleep, or it never slept.
    [[nodiscard]] bool awake() const;
    [[nodiscard]] ChildLane& lane() { return *lane_; }
    // The number of frames that it has moved past.
    [[nodiscard]] std::uint64_t passed() const { return header_->frames.head.load(std::memory_order_relaxed); }

    // Hides the completion that the child has just posted: as if it had stopped after it freed the frame's slot, and
    // before it published the completion.
    void hold_back();
    // Publishes that completion.
    void go_on();

    // Writes impossible data into the lane; `position` is the sequence number of the first frame in flight.
    void lie(Random& random, std::uint64_t position);

    bool launched = false;  // there is a process
    bool dead = false;      // it has ended, and the parent has not noticed
    bool killed = false;    // the parent has killed it: the child may still act until it is dead
    bool stopped = false;
    bool lied = false;
    std::optional<std::size_t> claimed;  // the part that it has claimed
    bool executes = false;               // and the child executes that part
    bool halfway = false;                // and holds back its completion

private:
    std::unique_ptr<ChildLane> lane_;
    LaneHeader* header_ = nullptr;  // of the parent's mapping, which lives as long as the incarnation
};

}  // namespace callring::simulate
