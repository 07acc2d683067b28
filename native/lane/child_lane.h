// ChildLane: the child's end of its lane. It takes frames in order and posts completions and core spans.
// Guarantees: every claimed frame gets exactly one completion; a revoked frame is passed over; a frame whose
// predecessor in this lane failed completes as `skipped` without being executed. A frame that the parent did not write
// is not executed, and a frame that was written over during its execution is not completed: the process ends, because
// its lane is no longer valid. Used by one thread, except `stop`.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/result.h"
#include "common/tuning.h"
#include "common/unique_fd.h"
#include "lane/extent_writer.h"
#include "lane/layout.h"
#include "lane/ring.h"
#include "lane/spin.h"
#include "memory/shared_map.h"

namespace callring {

// Whether `header` describes a lane of this layout that fills `bytes` bytes. Errors: layout_mismatch, malformed.
[[nodiscard]] Result<void> check_lane(const LaneHeader& header, std::uint64_t bytes);

class ChildLane {
public:
    // The number of frames, the latest ones, whose outcomes are kept.
    static constexpr std::size_t kWindow = kMaxPredecessorDistance + 1;

    // Attaches to the parent's lane and bell. Refused (layout_mismatch, malformed) unless magic, version and sizes fit.
    static Result<std::unique_ptr<ChildLane>> attach(UniqueFd lane, UniqueFd bell, UniqueFd progress_event,
                                                     std::uint64_t most_spin_ns = tuning::kLongestSpinNs);

    // The next frame to execute, or nullptr if there is none at the moment. The frame stays valid until complete().
    [[nodiscard]] const Frame* try_next() noexcept;
    // Claims frames that follow the one that try_next() returned, so that a child can begin them together with it: at
    // most `most`, and none from the first on that needs another frame of this batch, or has a deadline. They stay
    // valid until their complete(); try_next() returns each of them in its turn.
    std::vector<const Frame*> claim_ahead(std::size_t most);
    // Spins, then sleeps, until try_next() may return a frame or stop() was called. False after stop(). Returns the
    // memory of old results to the system if the wait is long.
    bool wait() noexcept;
    // Ends wait() for good, from any thread.
    void stop() noexcept;

    // Completes the frame that try_next() returned. `payload` must fit max_inline_payload().
    void complete(Code code, std::uint64_t begin_ns, std::uint64_t end_ns, std::span<const std::byte> payload,
                  std::uint32_t flags = 0) noexcept;
    [[nodiscard]] static constexpr std::size_t max_inline_payload() noexcept { return sizeof(Completion::payload); }

    // Room for a payload of the current frame in the result area; nullptr if the parent must take more results first.
    [[nodiscard]] std::byte* reserve_result(std::size_t bytes) noexcept;
    // Completes the current frame with the payload in the reserved room.
    void complete_with_result(Code code, std::uint64_t begin_ns, std::uint64_t end_ns, std::size_t bytes) noexcept;

    // The writer of results that are too large to be copied, or do not fit into the result area.
    [[nodiscard]] ExtentWriter& extents() noexcept { return extents_; }

    // Records, for the parent, that this process will end because it has done its work.
    void retire() noexcept { header().child_retires.store(1, std::memory_order_release); }

    // Between these calls the child loads the user's code, which may take longer than an answer may take. Any thread
    // may call them, one at a time.
    void begin_loading() noexcept { header().loaded_ns.store(kLoading, std::memory_order_relaxed); }
    void end_loading() noexcept;

    // Where the crash handler records the kernel and its block.
    [[nodiscard]] CrashNote& crash_note() noexcept { return header().crash; }

    // Posts one core span of the current frame. It is dropped and counted if the parent does not take spans fast
    // enough.
    void post_span(const CoreSpanRecord& span) noexcept;

private:
    ChildLane(SharedMap map, SharedMap bell, UniqueFd progress_event, std::uint64_t most_spin_ns);
    [[nodiscard]] LaneHeader& header() const noexcept { return *reinterpret_cast<LaneHeader*>(map_.data()); }
    [[nodiscard]] Bell& bell() const noexcept { return *reinterpret_cast<Bell*>(bell_.data()); }
    // Whether the parent wrote this frame at this place.
    [[nodiscard]] bool is_due(const Frame& frame) const noexcept {
        return frame.sequence == frames_.position() && frame.layout_version == kLayoutVersion;
    }
    [[nodiscard]] bool predecessor_failed(const Frame& frame) const noexcept;
    // Whether the frame needs one of the `count` frames before it.
    [[nodiscard]] static bool needs_one_of(const Frame& frame, std::uint64_t count) noexcept;
    void note_begin(const Frame& frame) noexcept;
    // Wakes the parent's sleeping thread if frame `sequence` matters to it, or if `surely`.
    void ring_parent(std::uint64_t sequence, bool surely) noexcept;

    SharedMap map_;
    SharedMap bell_;
    UniqueFd progress_event_;
    RingConsumer frames_;
    const Frame* claimed_ = nullptr;  // the frame that is executed
    std::uint64_t ahead_ = 0;         // how many of the frames at the ring's front claim_ahead() has claimed
    RingProducer completions_;
    RingProducer spans_;
    std::byte* results_ = nullptr;
    std::uint64_t next_result_ = 0;      // the end of the last payload in the result area
    std::uint64_t reserved_result_ = 0;  // the start of the reserved payload
    std::uint64_t free_results_ = 0;     // the area is free up to this position, even if results_taken is lower
    ExtentWriter extents_;
    std::bitset<kWindow> failed_;           // by sequence number
    std::uint64_t last_failed_ = ~kWindow;  // the last frame that failed; at first one that is out of reach
    AdaptiveSpin spin_;
    std::atomic<bool> stopped_{false};
};

}  // namespace callring
