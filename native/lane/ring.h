// The two ends of a single-producer single-consumer ring in shared memory. Its capacity is a power of two, or 0 for a
// ring that is never used.
// Guarantees: wait-free, no allocation; each end caches the other's index and rereads it only if necessary.
// Memory order: a slot is written before `tail` is published and read after `tail` is seen; `head` releases it in the
// same way. `tail` is published with seq_cst because the sleep word is checked right after (lane/sleep_word.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "lane/atomics.h"

namespace callring {

inline constexpr std::size_t kCacheLine = 64;

// Whether a ring can have this capacity.
[[nodiscard]] constexpr bool is_ring_capacity(std::uint32_t capacity) noexcept {
    return (capacity & (capacity - 1)) == 0;
}

// The slot of the frame `sequence` in a ring that is used.
[[nodiscard]] inline std::byte* ring_slot(std::byte* slots, std::size_t slot_bytes, std::uint32_t capacity,
                                          std::uint64_t sequence) noexcept {
    return slots + ((sequence & (capacity - std::uint64_t{1})) * slot_bytes);
}

// Indices of one ring, each on its own cache line. Both only grow.
template <class Atomics>
struct BasicRingIndices {
    // NOLINTBEGIN(readability-redundant-typename): clang 14, which builds the fuzzers, needs it
    alignas(kCacheLine) typename Atomics::template Atomic<std::uint64_t> tail;  // written by the producer
    alignas(kCacheLine) typename Atomics::template Atomic<std::uint64_t> head;  // written by the consumer
    // NOLINTEND(readability-redundant-typename)
};

template <class Atomics>
class BasicRingProducer {
public:
    BasicRingProducer() = default;
    BasicRingProducer(BasicRingIndices<Atomics>& indices, std::byte* slots, std::size_t slot_bytes,
                      std::uint32_t capacity) noexcept
        : indices_(&indices),
          slots_(slots),
          slot_bytes_(slot_bytes),
          capacity_(capacity),
          tail_(indices.tail.load(std::memory_order_relaxed)),
          head_(indices.head.load(std::memory_order_acquire)) {}

    // The slot to write next, or nullptr while the ring is full.
    [[nodiscard]] std::byte* reserve() noexcept {
        if (tail_ - head_ == capacity_) {
            head_ = indices_->head.load(std::memory_order_acquire);
            if (tail_ - head_ == capacity_) {
                return nullptr;
            }
        }
        return slot(tail_);
    }
    void publish() noexcept { indices_->tail.store(++tail_, std::memory_order_seq_cst); }

    // The sequence number of the slot that reserve() returns.
    [[nodiscard]] std::uint64_t position() const noexcept { return tail_; }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::byte* slot(std::uint64_t sequence) const noexcept {
        return ring_slot(slots_, slot_bytes_, capacity_, sequence);
    }

private:
    BasicRingIndices<Atomics>* indices_ = nullptr;
    std::byte* slots_ = nullptr;
    std::size_t slot_bytes_ = 0;
    std::uint32_t capacity_ = 0;
    std::uint64_t tail_ = 0;
    std::uint64_t head_ = 0;
};

template <class Atomics>
class BasicRingConsumer {
public:
    BasicRingConsumer() = default;
    BasicRingConsumer(BasicRingIndices<Atomics>& indices, std::byte* slots, std::size_t slot_bytes,
                      std::uint32_t capacity) noexcept
        : indices_(&indices),
          slots_(slots),
          slot_bytes_(slot_bytes),
          capacity_(capacity),
          head_(indices.head.load(std::memory_order_relaxed)) {}

    // The oldest slot, or nullptr while the ring is empty.
    [[nodiscard]] std::byte* front() noexcept {
        if (head_ == tail_) {
            // seq_cst: this load is also the check between announcing a sleep and sleeping (lane/sleep_word.h).
            tail_ = indices_->tail.load(std::memory_order_seq_cst);
            if (head_ == tail_) {
                return nullptr;
            }
            if (tail_ - head_ > capacity_) {  // a producer is never this far ahead: its index was written over
                tail_ = head_;
                return nullptr;
            }
        }
        return slot(head_);
    }
    void pop() noexcept { indices_->head.store(++head_, std::memory_order_release); }
    // The slot `distance` places behind the oldest one, or nullptr if the ring does not reach so far.
    [[nodiscard]] std::byte* behind(std::uint64_t distance) noexcept {
        if (tail_ - head_ <= distance) {
            tail_ = indices_->tail.load(std::memory_order_acquire);
            if (tail_ - head_ <= distance || tail_ - head_ > capacity_) {
                return nullptr;
            }
        }
        return slot(head_ + distance);
    }
    // Whether the producer's index is impossible: it was written over.
    [[nodiscard]] bool overrun() const noexcept {
        return indices_->tail.load(std::memory_order_acquire) - head_ > capacity_;
    }

    [[nodiscard]] std::uint64_t position() const noexcept { return head_; }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

private:
    [[nodiscard]] std::byte* slot(std::uint64_t sequence) const noexcept {
        return ring_slot(slots_, slot_bytes_, capacity_, sequence);
    }

    BasicRingIndices<Atomics>* indices_ = nullptr;
    std::byte* slots_ = nullptr;
    std::size_t slot_bytes_ = 0;
    std::uint32_t capacity_ = 0;
    std::uint64_t head_ = 0;
    std::uint64_t tail_ = 0;
};

using RingIndices = BasicRingIndices<StdAtomics>;
using RingProducer = BasicRingProducer<StdAtomics>;
using RingConsumer = BasicRingConsumer<StdAtomics>;

}  // namespace callring
