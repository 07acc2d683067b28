#include "lane/parent_lane.h"

#include <algorithm>
#include <new>
#include <utility>

#include "common/system_calls.h"
#include "lane/sleep_word.h"

namespace callring {

namespace {
// The size of a lane and its store; smaller if the user's limit (ulimit -f) does not allow such a file.
std::uint64_t largest_file(std::uint64_t lane_bytes) noexcept {
    rlimit limit{};
    const bool limited = sys::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    const std::uint64_t wanted = store_range(lane_bytes, kStoreBytes).begin + kStoreBytes;
    return limited ? std::min<std::uint64_t>(wanted, limit.rlim_cur) : wanted;
}
}  // namespace

#ifdef CALLRING_SIMULATED
// A simulation has only one thread: it lets children act here.
void meanwhile();
#else
static void meanwhile() noexcept {}
#endif

Result<std::unique_ptr<ParentLane>> ParentLane::create(std::uint32_t capacity, std::uint32_t span_capacity) {
    if (capacity == 0 || !is_ring_capacity(capacity) || !is_ring_capacity(span_capacity)) {
        return Error{Code::invalid_argument, "the capacities of a lane are powers of two"};
    }
    const std::size_t bytes = lane_bytes(capacity, span_capacity);
    auto map = SharedMap::create("callring-lane", bytes, std::max<std::uint64_t>(bytes, largest_file(bytes)));
    if (!map) {
        return std::move(map).error();
    }
    auto* header = new (map->data()) LaneHeader{};
    header->magic = kLaneMagic;
    header->layout_version = kLayoutVersion;
    header->capacity = capacity;
    header->span_capacity = span_capacity;
    header->total_bytes = map->size();
    return std::unique_ptr<ParentLane>(new ParentLane(std::move(map).value()));
}

ParentLane::ParentLane(SharedMap map) : map_(std::move(map)) {
    LaneHeader& lane = header();
    frames_ = RingProducer(lane.frames, map_.data() + frames_offset(), kFrameBytes, lane.capacity);
    completions_ = RingConsumer(lane.completions, map_.data() + completions_offset(lane.capacity), kCompletionBytes,
                                lane.capacity);
    spans_ =
        RingConsumer(lane.spans, map_.data() + spans_offset(lane.capacity), sizeof(CoreSpanRecord), lane.span_capacity);
    results_ = map_.data() + results_offset(lane.capacity, lane.span_capacity);
    extents_ =
        std::make_shared<ExtentStore>(map_.fd(), store_range(map_.size(), map_.file_size()), lane.extents_given_back);
}

Frame& ParentLane::frame(std::uint64_t sequence) const noexcept {
    return *reinterpret_cast<Frame*>(frames_.slot(sequence));
}

bool ParentLane::full() noexcept {
    const std::uint32_t capacity = frames_.capacity();  // not from the header: a child may have written over it
    return outstanding_ >= capacity || frames_.position() - settled_ >= capacity || frames_.reserve() == nullptr;
}

Frame& ParentLane::reserve() noexcept {
    auto& frame = *reinterpret_cast<Frame*>(frames_.reserve());
    frame.layout_version = kLayoutVersion;
    frame.sequence = frames_.position();
    frame.retries = 0;
    frame.reserved = 0;
    // Published with the ring's tail; relaxed here because the slot is not read before that.
    frame.claim.store(static_cast<std::uint32_t>(Claim::published), std::memory_order_relaxed);
    return frame;
}

void ParentLane::wake() noexcept {
    wake_sleeper(header().child_asleep);
}

bool ParentLane::revoke(std::uint64_t sequence) noexcept {
    meanwhile();
    // A child that wrote over this frame may be executing it, whatever the claim says now.
    const bool revoked = intact(sequence) && settle_claim(frame(sequence).claim, Claim::revoked);
    outstanding_ -= revoked ? 1 : 0;
    if (outstanding_ == 0) {
        settled_ = frames_.position();
    }
    return revoked;
}

void ParentLane::pop_completion() noexcept {
    const std::uint64_t sequence = reinterpret_cast<const Completion*>(completions_.front())->sequence;
    completions_.pop();
    if (results_taken_ != 0) {
        header().results_taken.store(std::exchange(results_taken_, 0), std::memory_order_release);
    }
    --outstanding_;
    if (outstanding_ == 0) {
        settled_ = frames_.position();
    } else if (sequence >= settled_ && sequence < frames_.position()) {
        settled_ = sequence + 1;
    }
}

bool ParentLane::claimed(std::uint64_t sequence) const noexcept {
    return frame(sequence).claim.load(std::memory_order_acquire) == static_cast<std::uint32_t>(Claim::claimed);
}

bool ParentLane::passed(std::uint64_t sequence) const noexcept {
    const std::uint64_t head = header().frames.head.load(std::memory_order_acquire);
    return head > sequence && head <= frames_.position();
}

bool ParentLane::intact() const noexcept {
    const LaneHeader& lane = header();
    const auto in_flight = [&lane](const RingIndices& ring) {
        return ring.tail.load(std::memory_order_acquire) - ring.head.load(std::memory_order_acquire) <= lane.capacity;
    };
    return lane.magic == kLaneMagic && lane.layout_version == kLayoutVersion && lane.capacity == frames_.capacity() &&
           lane.span_capacity == spans_.capacity() && lane.total_bytes == map_.size() &&
           lane.frames.tail.load(std::memory_order_acquire) == frames_.position() && in_flight(lane.frames) &&
           lane.completions.head.load(std::memory_order_acquire) == completions_.position() &&
           in_flight(lane.completions);
}

bool ParentLane::intact(std::uint64_t sequence) const noexcept {
    const Frame& frame = this->frame(sequence);
    return frame.layout_version == kLayoutVersion && frame.sequence == sequence &&
           frame.claim.load(std::memory_order_acquire) <= static_cast<std::uint32_t>(Claim::revoked);
}

std::optional<std::uint64_t> ParentLane::begun_ns(std::uint64_t sequence) const noexcept {
    // The time is valid if begun_frame is the same before and after: the child clears it before it writes another time.
    const auto noted = [&] { return header().begun_frame.load(std::memory_order_acquire) == sequence + 1; };
    if (!noted()) {
        return std::nullopt;
    }
    const std::uint64_t begun = header().begun_ns.load(std::memory_order_acquire);
    return noted() ? std::optional(begun) : std::nullopt;
}

std::optional<CrashedIn> ParentLane::crashed_in() const {
    const CrashNote& note = header().crash;
    if (note.state.load(std::memory_order_acquire) != CrashNote::kWhole) {
        return std::nullopt;
    }
    const auto end = std::find(note.kernel.begin(), note.kernel.end(), '\0');
    const bool printable =
        std::all_of(note.kernel.begin(), end, [](char letter) { return letter > 32 && letter < 127; });
    const bool is_name = printable && end != note.kernel.begin();
    return is_name ? std::optional(CrashedIn{{note.kernel.begin(), end}, note.block}) : std::nullopt;
}

const Completion* ParentLane::front_completion() noexcept {
    return reinterpret_cast<const Completion*>(completions_.front());
}

std::optional<std::span<const std::byte>> ParentLane::result(std::span<const std::byte> bytes) noexcept {
    const auto record = decode_result(bytes);
    if (!record) {
        return std::nullopt;
    }
    results_taken_ = record->position + record->bytes;
    return std::span(results_ + (record->position % kResultBytes), record->bytes);
}

bool ParentLane::has_completions() const noexcept {
    meanwhile();
    const RingIndices& ring = header().completions;
    return ring.tail.load(std::memory_order_seq_cst) != ring.head.load(std::memory_order_acquire);
}

void ParentLane::ring_from(std::uint64_t sequence) noexcept {
    if (rings_from_.load(std::memory_order_relaxed) == sequence) {
        return;  // only its caller, under the engine's lock, changes it
    }
    // seq_cst, like the publication of a completion: either the child sees this number before it decides not to ring,
    // or rings() sees the completion.
    rings_from_.store(sequence, std::memory_order_seq_cst);
    header().rings_from.store(sequence, std::memory_order_seq_cst);
}

bool ParentLane::rings() const noexcept {
    const std::uint64_t from = rings_from_.load(std::memory_order_seq_cst);
    return has_completions() && (from == 0 || header().frames.head.load(std::memory_order_seq_cst) > from);
}

std::optional<CoreSpanRecord> ParentLane::take_span(std::uint64_t sequence) noexcept {
    if (spans_.capacity() == 0) {
        return std::nullopt;
    }
    const auto* slot = reinterpret_cast<const CoreSpanRecord*>(spans_.front());
    if (slot == nullptr || slot->sequence > sequence) {
        return std::nullopt;
    }
    const CoreSpanRecord span = *slot;
    spans_.pop();
    return span;
}

std::uint64_t ParentLane::take_spans_dropped() noexcept {
    return header().spans_dropped.exchange(0, std::memory_order_relaxed);
}

}  // namespace callring
