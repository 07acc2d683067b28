// Every number that was chosen by measurement: none decides what is correct, only how fast, how soon or how patient the
// core is. Where a number trades one thing for another, its comment says which. Options of a Worker: engine/options.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace callring::tuning {

// ---- graph, task
// -----------------------------------------------------------------------------------------------------

// A region that needs more boxes than this covers gaps between its bytes, which may add false edges.
inline constexpr std::size_t kMostBoxes = 4096;
// Histories of bytes that may be forgotten are looked for at this number of segments, and then at twice what is left.
inline constexpr std::size_t kFirstSweep = 256;
// The same for the readers of one segment.
inline constexpr std::uint32_t kFirstPruneOfReaders = 16;
// Up to this many written tensors of a task are compared pair by pair; more are compared with a HazardMap.
inline constexpr std::size_t kMostPairs = 16;

// ---- memory
// ----------------------------------------------------------------------------------------------------------

// The buffers of a scope that have ended are looked for at this number, and then at twice what is left.
inline constexpr std::size_t kFirstPruneOfScope = 64;
// A thread keeps this many free blocks of each size: malloc is called less often, for memory that is idle.
inline constexpr std::uint32_t kMostKeptBlocks = 1024;
// A burst of bookkeeping needs far less than one piece of the reserve. There are several because other threads may take
// the memory that a piece returned to the system.
inline constexpr std::size_t kReservePieces = 16;

// ---- lane
// ------------------------------------------------------------------------------------------------------------

// About the time of a sleep and a wake-up across cores: a spin of this length takes at most twice the optimal time.
inline constexpr std::uint64_t kLongestSpinNs = 50'000;
// Spins that were in vain become shorter, down to this time.
inline constexpr std::uint64_t kShortestSpinNs = 5'000;
// One of so many spins is a long one, which finds out that longer spins pay again.
inline constexpr std::uint32_t kSpinsPerProbe = 32;
// A spin keeps its core for this time, and offers it to other threads afterwards.
inline constexpr std::uint64_t kKeepCoreNs = 2'000;
// A child that has been idle for this time returns the memory of old results to the system.
inline constexpr std::uint64_t kIdleNs = 1'000'000'000;
// The greatest number of a store's cells that stay mapped without extents.
inline constexpr std::size_t kMostIdleMappings = 4;
// The greatest number of unused blocks with pages: a search for a fitting block looks at all of them.
inline constexpr std::size_t kMostUnusedBlocks = 64;
// The greatest number of bytes of unused blocks that keep their pages: memory against page faults.
inline constexpr std::uint64_t kMostUnusedBytes = std::uint64_t{64} << 20U;

// ---- control, processes, children, registry
// --------------------------------------------------------------------------

// The pause before a call that failed for lack of memory is repeated.
inline constexpr int kRetryPauseMs = 1;
// How long the fork server may take to report the exit status of a child that has ended.
inline constexpr std::uint64_t kStatusGraceNs = 200'000'000;
// How long a kept fork server may take to answer that it lives; after that, a new one is started.
inline constexpr std::uint64_t kRestAnswerNs = 1'000'000'000;
// How long a child that has closed its control socket may take to end.
inline constexpr std::uint64_t kEndGraceNs = 500'000'000;
// Without WorkerOptions.max_restarts, a child is given up after more processes in a row than this that executed no
// task.
inline constexpr std::size_t kMostUselessStarts = 10;
// After more deaths than this within the window, a child is started at most once per pause.
inline constexpr std::size_t kPromptRestarts = 10;
inline constexpr std::uint64_t kRestartPauseNs = 100'000'000;
// A child that did not become ready may do so later: each attempt waits twice as long as the last, up to this time.
inline constexpr std::uint64_t kLongestRestartPauseNs = 1'000'000'000;
// The assumed time of a task whose callable has not been measured.
inline constexpr std::uint64_t kUnknownTaskNs = 1'000'000;
// After this many deaths of one child while it starts with a callable that no child has ever installed, the callable
// counts as the reason. A child that dies by chance is replaced, and its replacement installs the callable.
inline constexpr std::uint32_t kMostFatalStarts = 5;

// ---- schedule
// --------------------------------------------------------------------------------------------------------

// About the time that waking a child on another core takes. A child that must share a core with busy ones is only woken
// for a larger gain, because that does not speed up tasks that compute.
inline constexpr std::uint64_t kWakeNs = kLongestSpinNs;
inline constexpr std::uint64_t kCrowdedWakeNs = 4 * kWakeNs;
// How long a task may wait behind another one that was expected to be short, before waiting tasks are rebalanced.
inline constexpr std::uint64_t kRebalanceNs = 1'000'000;
// Of a lane's frames, this many of the last ones are looked at for frames that can move to another child.
inline constexpr std::size_t kMovableWindow = 64;
// A driver sleeps through the completions of at most this many frames of a lane. Longer sleeps would save little, and
// their frames' arguments stay in memory until the driver takes the completions.
inline constexpr std::size_t kMostUnheeded = 128;
// The taker of an outbox is woken when the outbox holds this many ended tasks, even if other threads wait for all of
// them.
inline constexpr std::size_t kQuietOutbox = 256;

// ---- engine
// ----------------------------------------------------------------------------------------------------------

// A submitting thread drains the lanes after this many submits, so that they have room and no other thread has to be
// woken to make room.
inline constexpr std::uint64_t kSubmitsPerDrain = 256;
// This many tasks of a list are accepted at a time. In between, other threads can take the lock, and children begin.
inline constexpr std::size_t kMostAtOnce = 64;
// A signal that arrives between a caller's check and its sleep does not interrupt that sleep; the caller then checks
// again after this time. Ordinary wake-ups never depend on this time.
inline constexpr std::uint64_t kSignalSliceNs = 250'000'000;
// How long a thread that takes the ended tasks of a stream leaves the lanes to another waiting thread before it checks.
inline constexpr std::uint64_t kTakerPauseNs = 2'000'000;
// How long a caller receives answers. It waits for one child at a time, and answers for other callers must not wait
// longer for that.
inline constexpr std::uint64_t kReceiveNs = 2'000'000;
// How long a child may take to die of SIGKILL before close() gives up waiting for it.
inline constexpr std::uint64_t kKillGraceNs = 5'000'000'000;

// ---- child_side
// ------------------------------------------------------------------------------------------------------

// The entries of a child's cache of its callables, by digest.
inline constexpr std::size_t kCacheEntries = 64;
// How long a child yields the cores to children that have not answered yet: after each request, and in total.
inline constexpr std::uint64_t kYieldNs = 2'000'000;
inline constexpr std::uint64_t kLongestYieldNs = 5'000'000;

}  // namespace callring::tuning
