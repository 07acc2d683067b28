#include "tests/simulate/actor.h"

#include <cstring>
#include <utility>

namespace callring::simulate {

void Actor::attach(Child& child, const ParentBell& bell) {
    lane_ = std::move(ChildLane::attach(UniqueFd::copy_of(child.lane->fd()), UniqueFd::copy_of(bell.fd()),
                                        UniqueFd::copy_of(bell.event_fd())))
                .value();
    // The first frame of a new lane lies right behind its header.
    header_ = reinterpret_cast<LaneHeader*>(reinterpret_cast<std::byte*>(&child.lane->reserve()) - frames_offset());
    launched = true;
    dead = killed = stopped = lied = executes = halfway = false;
    claimed.reset();
}

const Frame* Actor::claim() {
    const Frame* frame = lane_->try_next();
    if (frame == nullptr) {
        header_->child_asleep.store(1, std::memory_order_seq_cst);
    }
    return frame;
}

bool Actor::awake() const {
    return header_->child_asleep.load(std::memory_order_seq_cst) == 0;
}

void Actor::hold_back() {
    halfway = true;
    header_->completions.tail.fetch_sub(1, std::memory_order_seq_cst);
}

void Actor::go_on() {
    halfway = false;
    header_->completions.tail.fetch_add(1, std::memory_order_seq_cst);
}

void Actor::lie(Random& random, std::uint64_t position) {
    lied = true;
    LaneHeader& lane = *header_;
    auto* frames = reinterpret_cast<std::byte*>(header_) + frames_offset();
    auto* completions = reinterpret_cast<std::byte*>(header_) + completions_offset(lane.capacity);
    auto& frame = *reinterpret_cast<Frame*>(frames + ((position % lane.capacity) * kFrameBytes));
    const auto complete = [&](std::uint64_t frame_number, std::uint32_t code, std::uint32_t flags,
                              std::uint32_t bytes) {
        const std::uint64_t tail = lane.completions.tail.load(std::memory_order_relaxed);
        Completion completion{};
        completion.sequence = frame_number;
        completion.code = code;
        completion.flags = flags;
        completion.payload_bytes = bytes;
        std::memcpy(completions + ((tail % lane.capacity) * kCompletionBytes), &completion, sizeof completion);
        lane.completions.tail.store(tail + 1, std::memory_order_seq_cst);
    };
    const auto code_of = [](Code code) { return static_cast<std::uint32_t>(code); };
    switch (random.below(12)) {
        case 0:
            complete(position + 1000, 0, 0, 0);
            break;
        case 1:
            complete(position, kCodes + 1, 0, 0);
            break;
        case 2:
            complete(position, code_of(Code::worker_lost), 0, 0);
            break;
        case 3:
            complete(position, 0, 0, 3);  // zeros encode no value
            break;
        case 4:
            complete(position - 1, 0, 0, 0);
            break;
        case 5:
            complete(position, code_of(Code::skipped), 0, 0);
            break;
        case 6:
            complete(position, 0, kPayloadInExtent, sizeof(ExtentRecord));  // zeros describe no extent
            break;
        case 7:
            complete(position, 0, kPayloadInResults, 3);
            break;
        case 8:
            frame.claim.store(99, std::memory_order_relaxed);
            break;
        case 9:
            frame.sequence += 1;
            break;
        case 10:
            lane.completions.tail.fetch_add(1000, std::memory_order_seq_cst);
            break;
        default:
            std::memset(frames, 0, static_cast<std::size_t>(lane.capacity) * kFrameBytes);
            break;
    }
}

}  // namespace callring::simulate
