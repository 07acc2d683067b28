// ParentLane: the parent's end of one child's lane. It pushes frames and takes completions and core spans.
// Guarantees: no system call except to wake a sleeping child, at most one wake-up per burst. Not thread-safe: the
// engine's lock orders all calls; a waiting thread may call `has_completions` without it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "common/child_end.h"
#include "common/result.h"
#include "lane/completion.h"
#include "lane/extent_store.h"
#include "lane/layout.h"
#include "lane/ring.h"
#include "memory/shared_map.h"

namespace callring {

class ParentLane {
public:
    // A new lane of `capacity` frames (a power of two).
    // `span_capacity` is zero for a child that is never traced.
    static Result<std::unique_ptr<ParentLane>> create(std::uint32_t capacity, std::uint32_t span_capacity);

    ParentLane(const ParentLane&) = delete;
    ParentLane& operator=(const ParentLane&) = delete;
    ~ParentLane() { extents_->end(); }

    [[nodiscard]] int fd() const noexcept { return map_.fd(); }
    // Whether no frame can be pushed: `capacity` frames are in flight, or the next slot is still in use.
    [[nodiscard]] bool full() noexcept;
    // The frame to fill next; the lane must not be full. Sequence, version and claim are set.
    [[nodiscard]] Frame& reserve() noexcept;
    [[nodiscard]] std::uint64_t next_sequence() const noexcept { return frames_.position(); }
    // Makes the reserved frame visible to the child; `wake` is called once per burst.
    void publish() noexcept {
        frames_.publish();
        ++outstanding_;
    }
    void wake() noexcept;
    // Whether a wake-up is needed before the child sees its next frame.
    [[nodiscard]] bool child_sleeps() const noexcept {
        return header().child_asleep.load(std::memory_order_relaxed) != 0;
    }

    // Revokes the frame `sequence` if the child has not claimed it. True: the child will pass over it.
    [[nodiscard]] bool revoke(std::uint64_t sequence) noexcept;
    // Whether the child has begun the frame `sequence`, which must be in flight.
    [[nodiscard]] bool claimed(std::uint64_t sequence) const noexcept;

    // Whether the child has moved past the frame `sequence`, according to the ring's index.
    [[nodiscard]] bool passed(std::uint64_t sequence) const noexcept;
    // Whether the parent's data in the lane and the frame `sequence`, which must be in flight, are unchanged, and the
    // child's indices are possible. If not, the child has written over its lane.
    [[nodiscard]] bool intact() const noexcept;
    [[nodiscard]] bool intact(std::uint64_t sequence) const noexcept;

    // When the child began the timed frame `sequence`; none if it has not, or has begun a later timed frame.
    [[nodiscard]] std::optional<std::uint64_t> begun_ns(std::uint64_t sequence) const noexcept;

    // Whether the child has ended, or is about to end, because it has done its work.
    [[nodiscard]] bool child_retires() const noexcept {
        return header().child_retires.load(std::memory_order_acquire) != 0;
    }
    // Where the child crashed, if its crash handler recorded that. For a child that has ended and left its lane intact.
    [[nodiscard]] std::optional<CrashedIn> crashed_in() const;
    // The time until which the child is known to have loaded code: `now_ns` while it loads; 0 if it never has.
    [[nodiscard]] std::uint64_t loaded_until_ns(std::uint64_t now_ns) const noexcept {
        return std::min(now_ns, header().loaded_ns.load(std::memory_order_acquire));
    }

    // The oldest completion, valid until pop_completion; nullptr if there is none.
    [[nodiscard]] const Completion* front_completion() noexcept;
    // Removes the oldest completion, and gives back its place in the result area.
    void pop_completion() noexcept;
    // The payload of `record`, the ResultRecord of the oldest completion, valid until pop_completion; nullopt if the
    // record is invalid, because the child wrote over its lane.
    [[nodiscard]] std::optional<std::span<const std::byte>> result(std::span<const std::byte> record) noexcept;
    // Takes the extent that the oldest completion names. Errors: as ExtentStore::take.
    [[nodiscard]] Result<ExtentPtr> take_extent(const ExtentRecord& record) { return extents_->take(record); }
    // Called when the child has ended and all extents of its completions were taken.
    void close_extents() noexcept { extents_->close(); }
    // May be called by any thread.
    [[nodiscard]] bool has_completions() const noexcept;

    // Lets a driver sleep through the completions of frames before `sequence`; 0: through none. After a change to a
    // lower number the caller checks rings() again, because the child may have read the higher one.
    void ring_from(std::uint64_t sequence) noexcept;
    // Whether there are completions, also of frames from ring_from() on. May be called by any thread.
    [[nodiscard]] bool rings() const noexcept;

    // Takes the oldest core span, if it belongs to a frame up to `sequence`. A frame's spans are posted before its
    // completion.
    [[nodiscard]] std::optional<CoreSpanRecord> take_span(std::uint64_t sequence) noexcept;
    // The number of core spans that were dropped since the last call.
    [[nodiscard]] std::uint64_t take_spans_dropped() noexcept;

private:
    explicit ParentLane(SharedMap map);
    [[nodiscard]] LaneHeader& header() const noexcept { return *reinterpret_cast<LaneHeader*>(map_.data()); }
    [[nodiscard]] Frame& frame(std::uint64_t sequence) const noexcept;

    SharedMap map_;
    const std::byte* results_ = nullptr;
    RingProducer frames_;
    RingConsumer completions_;
    RingConsumer spans_;
    // Number of frames that were pushed, and that the parent has neither revoked nor seen completed. At most the
    // capacity, so that the completion ring is never full when the child posts to it.
    std::uint64_t outstanding_ = 0;
    // Every frame before this sequence number has ended. A frame's slot is not reused before its end was seen, so that
    // claimed() works for every frame in flight, also after the child's death.
    std::uint64_t settled_ = 0;
    std::atomic<std::uint64_t> rings_from_{0};  // as in the header, which the child can write over
    std::uint64_t results_taken_ = 0;           // the end of the oldest completion's result, from result(); 0: none
    std::shared_ptr<ExtentStore> extents_;
};

}  // namespace callring
