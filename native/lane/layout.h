// The definition of a lane's shared memory: header, frames, completions, core spans, results, and after these the
// extents of large results. The layout has a version: both ends compare kLayoutVersion in every control message and in
// the lane's header, and there is no migration between versions. docs/reference/frames.md has
// frames and completions byte by byte; docs/explanation/two-planes.md says which data travels which way, and why.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "lane/claim.h"
#include "lane/ring.h"

namespace callring {

#ifndef CALLRING_LAYOUT_VERSION  // tests build a child with another version
#define CALLRING_LAYOUT_VERSION 17
#endif
inline constexpr std::uint32_t kLayoutVersion = CALLRING_LAYOUT_VERSION;
inline constexpr std::uint32_t kLaneMagic = 0x4C524C43;  // "CLRL"

// ---- frames: parent to child --------------------------------------------------------------------------------------

enum FrameFlags : std::uint32_t {
    kFrameSpilled = 1U << 0U,  // the argument area holds a SpillRecord instead of the argument blob
    kFrameTraced = 1U << 1U,   // the child records when it began and ended the task
    kFrameOpaque = 1U << 2U,   // opaque bytes follow the argument blob: `u32 count`, then the bytes
    kFrameCores = 1U << 3U,    // the chip records the core spans of the task
    kFrameTimed = 1U << 4U,  // the task has a deadline: the child records in the lane's header when it begins the task
    kFrameKeeps = 1U << 5U,  // what the task writes may stay on the machine of its node until it is asked for
    kFrameManyPredecessors = 1U << 6U,  // `predecessors` is a set of distances, one bit each
};

// A frame names up to this number of predecessors by their distances, and more by a set (lane/predecessors.h).
inline constexpr std::size_t kMaxDistances = 4;
// The greatest distance of a predecessor: the child keeps the outcomes of that many frames.
inline constexpr std::uint64_t kMaxPredecessorDistance = 65535;
inline constexpr std::uint64_t kMaxDistanceInSet = 32 * kMaxDistances;

struct FrameConfig {
    std::uint32_t block_count;  // 0: the callable's choice
    std::uint32_t flags;        // FrameFlags
    // Earlier frames of this lane that this one depends on (lane/predecessors.h). The child skips the frame when one of
    // them failed.
    std::array<std::uint32_t, kMaxDistances> predecessors;
};

inline constexpr std::size_t kFrameBytes = 512;

struct Frame {
    std::uint32_t layout_version;
    std::atomic<std::uint32_t> claim;  // Claim
    std::uint64_t sequence;            // position in this lane, from 0
    std::uint64_t run;
    std::uint32_t retries;   // how often the task may still begin again
    std::uint32_t reserved;  // zero
    FrameConfig config;
    std::array<std::byte, 32> digest;
    std::array<std::byte, kFrameBytes - 88> arguments;  // argument blob: lane/frame.h
};
static_assert(sizeof(Frame) == kFrameBytes && std::is_standard_layout_v<Frame>);

// The place of an argument blob that does not fit into its frame.
struct SpillRecord {
    std::uint32_t arena;
    std::uint32_t bytes;
    std::uint64_t offset;
};

// ---- completions: child to parent ---------------------------------------------------------------------------------

enum CompletionFlags : std::uint32_t {
    kPayloadInResults = 1U << 0U,  // the payload lies in the lane's result area; the completion has a ResultRecord
    kPayloadInExtent = 1U << 1U,   // the payload lies in an extent; the completion has an ExtentRecord
};

inline constexpr std::size_t kCompletionBytes = 256;

struct Completion {
    std::uint64_t sequence;
    std::uint32_t code;  // Code; 0 is success
    std::uint32_t flags;
    std::uint64_t begin_ns;  // CLOCK_MONOTONIC; zero unless traced
    std::uint64_t end_ns;
    std::uint32_t payload_bytes;
    std::array<std::byte, kCompletionBytes - 36> payload;
};
static_assert(sizeof(Completion) == kCompletionBytes && std::is_trivial_v<Completion>);

// The place of a payload that does not fit into its completion: at `position` modulo kResultBytes of the result area,
// in one piece. Positions only grow: the area up to the taken position may be written again.
struct ResultRecord {
    std::uint64_t position;
    std::uint64_t bytes;
};

// The size of the result area. Its pages are committed when they are first written, and reused for later payloads.
inline constexpr std::size_t kResultBytes = std::size_t{8} << 20U;

// ---- extents: results that are too large to be copied ---------------------------------------------------------------

// An extent: `bytes` bytes of one result, at `offset` of the lane's store. The child writes them once. From the
// completion on they belong to the parent, until the parent gives them back. Each extent lies in its own block of whole
// pages, after a header of kExtentHeader bytes.
struct ExtentRecord {
    std::uint64_t offset;
    std::uint64_t bytes;
};
static_assert(sizeof(ExtentRecord) == sizeof(ResultRecord) && std::is_trivial_v<ExtentRecord>);

inline constexpr std::uint64_t kPage = 4096;
// The header's first eight bytes: the extent that was given back before this one, as in
// LaneHeader::extents_given_back.
inline constexpr std::uint64_t kExtentHeader = 64;
// Both ends map the store by cells: a block that is not larger than a cell lies within one cell; a larger block begins
// at the start of a cell, and shares none of its cells with another block.
inline constexpr std::uint64_t kCell = std::uint64_t{32} << 20U;
// Addresses in a file, not memory: pages that were never written, or were returned to the system, take no memory.
inline constexpr std::uint64_t kStoreBytes = std::uint64_t{1} << 40U;
// Shorter values are copied, through the completion or the result area, which is faster for them.
inline constexpr std::size_t kLeastExtent = std::size_t{64} << 10U;

// The size of the block for an extent of `bytes` bytes.
[[nodiscard]] constexpr std::uint64_t block_bytes(std::uint64_t bytes) noexcept {
    return (kExtentHeader + bytes + kPage - 1) / kPage * kPage;
}

// The place of the store in the lane's file.
struct StoreRange {
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;
};
// The store of a lane that takes `lane_bytes` of a file of `file_bytes`; empty if there is no room.
[[nodiscard]] constexpr StoreRange store_range(std::uint64_t lane_bytes, std::uint64_t file_bytes) noexcept {
    constexpr std::uint64_t kLargestPage = 65536;  // of any machine: mappings begin at multiples of it
    const std::uint64_t begin = (lane_bytes + kLargestPage - 1) / kLargestPage * kLargestPage;
    return {begin, begin < file_bytes ? (file_bytes - begin) / kCell * kCell : 0};
}

// ---- core spans: the work of a chip's cores, when traced ----------------------------------------------------------

struct CoreSpanRecord {
    std::uint64_t sequence;
    std::uint64_t begin_ns;
    std::uint64_t end_ns;
    std::uint32_t core;
    std::uint32_t func_id;
};
static_assert(sizeof(CoreSpanRecord) == 32 && std::is_trivial_v<CoreSpanRecord>);

// ---- crashes ------------------------------------------------------------------------------------------------------

// In which block of which kernel a chip crashed; written once, by the handler of the signal that ended it.
struct CrashNote {
    enum State : std::uint32_t { kNone = 0, kBegun = 1, kWhole = 2 };
    std::atomic<std::uint32_t> state;  // State
    std::uint32_t block;
    std::array<char, 56> kernel;  // the kernel's name, cut short if it is longer; then zeros
};
static_assert(sizeof(CrashNote) == kCacheLine);

// ---- the lane ------------------------------------------------------------------------------------------------------

inline constexpr std::uint64_t kLoading = UINT64_MAX;

struct LaneHeader {
    std::uint32_t magic;
    std::uint32_t layout_version;
    std::uint32_t capacity;       // of frames and of completions; so the completions' ring is never full
    std::uint32_t span_capacity;  // core spans; when that ring is full, spans are dropped and counted
    std::uint64_t total_bytes;
    alignas(kCacheLine) std::atomic<std::uint32_t> child_asleep;  // sleep word: 1 while the child sleeps or is about to
    std::atomic<std::uint64_t> spans_dropped;
    // The last timed frame that the child began: 1 + its sequence (0 while the child changes both), and the time
    // (CLOCK_MONOTONIC).
    alignas(kCacheLine) std::atomic<std::uint64_t> begun_frame;
    std::atomic<std::uint64_t> begun_ns;
    std::atomic<std::uint32_t> child_retires;  // 1: the child ends by itself, between two tasks
    // When the child last finished loading code (CLOCK_MONOTONIC); kLoading while it loads; 0: never.
    std::atomic<std::uint64_t> loaded_ns;
    // The position in the result area up to which the parent has taken payloads.
    std::atomic<std::uint64_t> results_taken;
    // The last extent that the parent gave back and the child has not taken yet, or 0; its header names the one before.
    // Lowest bit 1: its pages were returned to the system. The parent pushes extents; the child takes the whole list.
    std::atomic<std::uint64_t> extents_given_back;
    // A child that completes a frame before this one does not wake a thread that sleeps on the parent's bell, unless
    // the frame failed or has a payload outside its completion. 0: every completion wakes it.
    std::atomic<std::uint64_t> rings_from;
    alignas(kCacheLine) CrashNote crash;
    RingIndices frames;
    RingIndices completions;
    RingIndices spans;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

[[nodiscard]] constexpr std::size_t frames_offset() noexcept {
    return sizeof(LaneHeader);
}
[[nodiscard]] constexpr std::size_t completions_offset(std::uint32_t capacity) noexcept {
    return frames_offset() + (std::size_t{capacity} * kFrameBytes);
}
[[nodiscard]] constexpr std::size_t spans_offset(std::uint32_t capacity) noexcept {
    return completions_offset(capacity) + (std::size_t{capacity} * kCompletionBytes);
}
[[nodiscard]] constexpr std::size_t results_offset(std::uint32_t capacity, std::uint32_t span_capacity) noexcept {
    return spans_offset(capacity) + (std::size_t{span_capacity} * sizeof(CoreSpanRecord));
}
[[nodiscard]] constexpr std::size_t lane_bytes(std::uint32_t capacity, std::uint32_t span_capacity) noexcept {
    return results_offset(capacity, span_capacity) + kResultBytes;
}

// ---- the parent's bell ----------------------------------------------------------------------------------------------

// The state of the parent's bell: one bell for all lanes of a Worker, so that one thread can wait for all children.
enum class BellState : std::uint32_t {
    awake = 0,     // no wake-up is needed: a thread drains, or there is nothing to drain
    waiter = 1,    // a thread sleeps on this word
    progress = 2,  // the progress thread sleeps until its eventfd is written
};

struct Bell {
    alignas(kCacheLine) std::atomic<std::uint32_t> state;  // BellState; sleep word
    std::uint32_t cores_are_shared;  // 1: a spinning thread yields its core; constant once a child starts
};

}  // namespace callring
