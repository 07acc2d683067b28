#include "lane/child_lane.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "common/clock.h"
#include "common/event.h"
#include "common/system_calls.h"
#include "common/system_error.h"
#include "common/tuning.h"
#include "lane/damaged.h"
#include "lane/futex.h"
#include "lane/predecessors.h"
#include "lane/sleep_word.h"

namespace callring {

Result<void> check_lane(const LaneHeader& header, std::uint64_t bytes) {
    if (header.magic != kLaneMagic || header.layout_version != kLayoutVersion) {
        return Error{Code::layout_mismatch, "lane layout version " + std::to_string(header.layout_version) +
                                                ", this child has version " + std::to_string(kLayoutVersion)};
    }
    if (header.capacity == 0 || header.capacity > ChildLane::kWindow || !is_ring_capacity(header.capacity) ||
        !is_ring_capacity(header.span_capacity) || header.total_bytes != bytes ||
        lane_bytes(header.capacity, header.span_capacity) != bytes) {
        return Error{Code::malformed, "lane header contradicts the size of its memory"};
    }
    return {};
}

Result<std::unique_ptr<ChildLane>> ChildLane::attach(UniqueFd lane, UniqueFd bell, UniqueFd progress_event,
                                                     std::uint64_t most_spin_ns) {
    // The header has the size of the lane, which is the first part of the file; the store is mapped when it is used.
    LaneHeader written{};
    ssize_t bytes = 0;
    do {
        bytes = sys::pread(lane.get(), static_cast<void*>(&written), sizeof written, 0);
    } while (bytes < 0 && errno == EINTR);
    if (bytes < 0 && lane.valid()) {
        return system_error("pread");
    }
    if (bytes != sizeof written) {
        return Error{Code::malformed, "lane memory is too small for its header"};
    }
    if (auto checked = check_lane(written, written.total_bytes); !checked) {
        return std::move(checked).error();
    }
    auto lane_map = SharedMap::attach(std::move(lane), written.total_bytes);
    if (!lane_map) {
        return std::move(lane_map).error();
    }
    auto bell_map = SharedMap::attach(std::move(bell));
    if (!bell_map) {
        return std::move(bell_map).error();
    }
    // Processes that this child forks must not have the lane: they would take its frames, or complete them again.
    if (sys::madvise(lane_map->data(), lane_map->size(), MADV_DONTFORK) != 0) {
        return system_error("madvise(MADV_DONTFORK)");
    }
    if (bell_map->size() < sizeof(Bell)) {
        return Error{Code::malformed, "the memory of the bell is too small"};
    }
    if (!progress_event.valid()) {  // otherwise nothing would wake the progress thread
        return Error{Code::malformed, "the start request lacks the event of the progress thread"};
    }
    const auto& header = *reinterpret_cast<const LaneHeader*>(lane_map->data());
    if (auto checked = check_lane(header, lane_map->size()); !checked) {
        return std::move(checked).error();
    }
    return std::unique_ptr<ChildLane>(new ChildLane(std::move(lane_map).value(), std::move(bell_map).value(),
                                                    std::move(progress_event), most_spin_ns));
}

ChildLane::ChildLane(SharedMap map, SharedMap bell, UniqueFd progress_event, std::uint64_t most_spin_ns)
    : map_(std::move(map)),
      bell_(std::move(bell)),
      progress_event_(std::move(progress_event)),
      extents_(map_.fd(), store_range(map_.size(), map_.file_size()), header().extents_given_back),
      spin_(this->bell().cores_are_shared != 0 ? Core::offered : Core::held, most_spin_ns) {
    LaneHeader& lane = header();
    frames_ = RingConsumer(lane.frames, map_.data() + frames_offset(), kFrameBytes, lane.capacity);
    completions_ = RingProducer(lane.completions, map_.data() + completions_offset(lane.capacity), kCompletionBytes,
                                lane.capacity);
    spans_ =
        RingProducer(lane.spans, map_.data() + spans_offset(lane.capacity), sizeof(CoreSpanRecord), lane.span_capacity);
    results_ = map_.data() + results_offset(lane.capacity, lane.span_capacity);
}

const Frame* ChildLane::try_next() noexcept {
    while (std::byte* slot = frames_.front()) {
        auto* frame = reinterpret_cast<Frame*>(slot);
        if (ahead_ > 0) {
            --ahead_;
        } else if (!settle_claim(frame->claim, Claim::claimed)) {
            if (frame->claim.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(Claim::revoked)) {
                end_damaged();
            }
            const std::uint64_t sequence = frames_.position();
            failed_.reset(sequence % kWindow);
            frames_.pop();
            ring_parent(sequence, false);  // a slot is free again, and no completion will report it
            continue;
        }
        if (!is_due(*frame)) {
            end_damaged();
        }
        claimed_ = frame;
        if (predecessor_failed(*frame)) {
            complete(Code::skipped, 0, 0, {});
            continue;
        }
        if ((frame->config.flags & kFrameTimed) != 0) {
            note_begin(*frame);
        }
        return frame;
    }
    return nullptr;
}

std::vector<const Frame*> ChildLane::claim_ahead(std::size_t most) {
    std::vector<const Frame*> batch;
    const bool is_timed = (claimed_->config.flags & kFrameTimed) != 0;
    while (batch.size() < most && !is_timed) {
        const std::uint64_t distance = batch.size() + 1;
        auto* frame = reinterpret_cast<Frame*>(frames_.behind(distance));
        if (frame == nullptr || frame->sequence != frames_.position() + distance ||
            (frame->config.flags & kFrameTimed) != 0 || needs_one_of(*frame, distance) || predecessor_failed(*frame) ||
            !settle_claim(frame->claim, Claim::claimed)) {
            break;
        }
        batch.push_back(frame);
    }
    ahead_ = batch.size();
    return batch;
}

bool ChildLane::needs_one_of(const Frame& frame, std::uint64_t count) noexcept {
    return predecessors_of(frame.config).any_of([&](std::uint32_t distance) { return distance <= count; });
}

void ChildLane::note_begin(const Frame& frame) noexcept {
    LaneHeader& lane = header();
    // A thread that sees the new time also sees that it does not belong to the earlier frame.
    lane.begun_frame.store(0, std::memory_order_relaxed);
    lane.begun_ns.store(now_ns(), std::memory_order_release);
    lane.begun_frame.store(frame.sequence + 1, std::memory_order_release);
}

bool ChildLane::predecessor_failed(const Frame& frame) const noexcept {
    if (frame.sequence - last_failed_ > kMaxPredecessorDistance) {
        return false;
    }
    return predecessors_of(frame.config).any_of([&](std::uint32_t distance) {
        return distance <= frame.sequence && failed_.test((frame.sequence - distance) % kWindow);
    });
}

bool ChildLane::wait() noexcept {
    if (frames_.overrun()) {
        end_damaged();
    }
    const auto ready = [this] { return frames_.front() != nullptr || stopped_.load(std::memory_order_seq_cst); };
    while (!spin_(ready)) {
        const bool keeps = extents_.keeps_pages();
        const auto until = keeps ? std::optional(now_ns() + tuning::kIdleNs) : std::nullopt;
        if (announce_and_sleep(header().child_asleep, 1, ready, until) == FutexWait::timed_out) {
            try {
                extents_.trim();
            } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the next idle moment tries again
            }
        }
    }
    return !stopped_.load(std::memory_order_acquire);
}

void ChildLane::stop() noexcept {
    stopped_.store(true, std::memory_order_seq_cst);
    wake_sleeper(header().child_asleep);
}

void ChildLane::complete(Code code, std::uint64_t begin_ns, std::uint64_t end_ns, std::span<const std::byte> payload,
                         std::uint32_t flags) noexcept {
    if (!is_due(*claimed_) ||
        claimed_->claim.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(Claim::claimed)) {
        end_damaged();
    }
    // The ring is never full: it has a slot for each frame that can be in flight.
    auto* completion = reinterpret_cast<Completion*>(completions_.reserve());
    const std::uint64_t sequence = frames_.position();
    completion->sequence = sequence;
    completion->code = static_cast<std::uint32_t>(code);
    completion->flags = flags;
    completion->begin_ns = begin_ns;
    completion->end_ns = end_ns;
    completion->payload_bytes = static_cast<std::uint32_t>(payload.size());
    if (!payload.empty()) {
        std::memcpy(completion->payload.data(), payload.data(), payload.size());
    }
    failed_.set(sequence % kWindow, code != Code::ok);
    last_failed_ = code != Code::ok ? sequence : last_failed_;
    // The frame's slot is freed first, so that a parent that takes the completion finds room for the next frame.
    frames_.pop();
    completions_.publish();
    ring_parent(sequence, code != Code::ok || flags != 0);
}

std::byte* ChildLane::reserve_result(std::size_t bytes) noexcept {
    const auto next_round = [](std::uint64_t position) {
        return (position + kResultBytes - 1) / kResultBytes * kResultBytes;
    };
    const std::uint64_t taken = header().results_taken.load(std::memory_order_acquire);
    if (taken == next_result_) {
        // The whole area is free. Starts at its front again, where the pages exist and are in the cache.
        free_results_ = next_round(next_result_);
        reserved_result_ = free_results_;
    } else {
        const bool in_one_piece = (next_result_ % kResultBytes) + bytes <= kResultBytes;
        reserved_result_ = in_one_piece ? next_result_ : next_round(next_result_);
    }
    const bool fits = reserved_result_ + bytes - std::max(taken, free_results_) <= kResultBytes;
    return bytes <= kResultBytes && fits ? results_ + (reserved_result_ % kResultBytes) : nullptr;
}

void ChildLane::complete_with_result(Code code, std::uint64_t begin_ns, std::uint64_t end_ns,
                                     std::size_t bytes) noexcept {
    const ResultRecord record{reserved_result_, bytes};
    next_result_ = reserved_result_ + bytes;
    complete(code, begin_ns, end_ns, std::as_bytes(std::span(&record, 1)), kPayloadInResults);
}

void ChildLane::end_loading() noexcept {
    // Called after the answer was sent: a parent that sees this time finds the answer in the socket.
    header().loaded_ns.store(now_ns(), std::memory_order_release);
}

void ChildLane::ring_parent(std::uint64_t sequence, bool surely) noexcept {
    auto& state = bell().state;
    // The driver chose rings_from before it announced its sleep: a child that sees the announcement sees that number.
    if (!surely && state.load(std::memory_order_seq_cst) == static_cast<std::uint32_t>(BellState::waiter) &&
        sequence < header().rings_from.load(std::memory_order_seq_cst)) {
        return;
    }
    const std::uint32_t before = take_announcement(state);
    if (before == static_cast<std::uint32_t>(BellState::waiter)) {
        futex_wake(state, 1);
    } else if (before == static_cast<std::uint32_t>(BellState::progress)) {
        raise_event(progress_event_.get());
    }
}

void ChildLane::post_span(const CoreSpanRecord& span) noexcept {
    std::byte* slot = header().span_capacity == 0 ? nullptr : spans_.reserve();
    if (slot == nullptr) {
        header().spans_dropped.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    std::memcpy(slot, &span, sizeof span);
    spans_.publish();
}

}  // namespace callring
