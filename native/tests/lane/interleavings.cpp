// interleavings [COUNT]: explores so many interleavings (default: 20,000) of each protocol of the lane. Exits with 1,
// and prints the history of a wrong one, if a wake-up is lost, a slot torn, or memory used before it was handed over.
// Every protocol is also explored with one safeguard removed, and must then fail: this shows that the exploration finds
// such errors.
#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tests/lane/relacy_atomics.h"
//
#include "lane/claim.h"
#include "lane/given_back.h"
#include "lane/ring.h"
#include "lane/sleep_word.h"

namespace {

using callring::announce_and_sleep;
using callring::BasicRingConsumer;
using callring::BasicRingIndices;
using callring::BasicRingProducer;
using callring::Claim;
using callring::settle_claim;
using callring::wake_sleeper;
using callring::test::RelacyAtomics;
using callring::test::Weakness;

constexpr std::uint32_t kCapacity = 2;
constexpr std::uint32_t kAsleep = 1;

void expect(bool holds, const char* what) {
    if (!holds) {
        rl::ctx().fail_test(what, rl::test_result_user_assert_failed, rl::debug_info("expect", what, 0));
    }
}

// A slot whose every access is checked against races: torn or early reads are found, whatever their value.
struct Slot {
    rl::var<std::uint64_t> first;
    rl::var<std::uint64_t> second;

    void write(std::uint64_t value) {
        first(rl::debug_info("write")) = value;
        second(rl::debug_info("write")) = value;
    }
    void expect_value(std::uint64_t value) {
        expect(static_cast<std::uint64_t>(first(rl::debug_info("read"))) == value, "the frame of its turn");
        expect(static_cast<std::uint64_t>(second(rl::debug_info("read"))) == value, "a whole frame");
    }
};

template <class Atomics, class SlotType = Slot>
struct Ring {
    BasicRingIndices<Atomics> indices;
    std::array<SlotType, kCapacity> slots;

    BasicRingProducer<Atomics> producer() { return {indices, bytes(), sizeof(SlotType), kCapacity}; }
    BasicRingConsumer<Atomics> consumer() { return {indices, bytes(), sizeof(SlotType), kCapacity}; }
    static SlotType& at(std::byte* slot) { return *reinterpret_cast<SlotType*>(slot); }

private:
    std::byte* bytes() { return reinterpret_cast<std::byte*>(slots.data()); }
};

// A parent and its child as they are in parent_lane.cpp and child_lane.cpp, with more frames than the ring holds: both
// sleep when they have nothing to do, and all frames come back in order.
template <Weakness kWeakness, bool kLooksAgain, rl::test_result_e kExpected>
struct Lane : rl::test_suite<Lane<kWeakness, kLooksAgain, kExpected>, 2, kExpected> {
    using Atomics = RelacyAtomics<kWeakness>;
    static constexpr std::uint64_t kFrames = 4;

    Ring<Atomics> frames;
    Ring<Atomics> completions;
    Atomics::template Atomic<std::uint32_t> child_asleep;
    Atomics::template Atomic<std::uint32_t> bell;

    void thread(unsigned index) { index == 0 ? parent() : child(); }

    void parent() {
        auto out = frames.producer();
        auto in = completions.consumer();
        std::uint64_t ended = 0;
        while (ended < kFrames) {
            while (out.position() < kFrames && out.position() - ended < kCapacity && out.reserve() != nullptr) {
                frames.at(out.reserve()).write(out.position());
                out.publish();
            }
            wake_sleeper<Atomics>(child_asleep);
            while (in.front() == nullptr) {
                announce_and_sleep<Atomics>(
                    bell, kAsleep, [&] { return kLooksAgain && in.front() != nullptr; }, std::nullopt);
            }
            completions.at(in.front()).expect_value(ended++);
            in.pop();
        }
    }

    void child() {
        auto in = frames.consumer();
        auto out = completions.producer();
        for (std::uint64_t done = 0; done < kFrames; ++done) {
            while (in.front() == nullptr) {
                announce_and_sleep<Atomics>(
                    child_asleep, kAsleep, [&] { return kLooksAgain && in.front() != nullptr; }, std::nullopt);
            }
            frames.at(in.front()).expect_value(done);
            std::byte* completion = out.reserve();
            expect(completion != nullptr, "room for every completion");
            completions.at(completion).write(done);
            in.pop();
            out.publish();
            wake_sleeper<Atomics>(bell);
        }
    }
};

// One bell for two children: whichever completes last, its parent wakes up and sees both.
template <Weakness kWeakness, rl::test_result_e kExpected>
struct SharedBell : rl::test_suite<SharedBell<kWeakness, kExpected>, 3, kExpected> {
    using Atomics = RelacyAtomics<kWeakness>;

    std::array<Ring<Atomics>, 2> completions;
    Atomics::template Atomic<std::uint32_t> bell;

    void thread(unsigned index) {
        if (index < 2) {
            auto out = completions[index].producer();
            completions[index].at(out.reserve()).write(0);
            out.publish();
            wake_sleeper<Atomics>(bell);
            return;
        }
        std::array in{completions[0].consumer(), completions[1].consumer()};
        std::array<bool, 2> seen{};
        const auto something = [&] {
            return (!seen[0] && in[0].front() != nullptr) || (!seen[1] && in[1].front() != nullptr);
        };
        while (!seen[0] || !seen[1]) {
            while (!something()) {
                announce_and_sleep<Atomics>(bell, kAsleep, something, std::nullopt);
            }
            for (std::size_t i = 0; i < 2; ++i) {
                if (!seen[i] && in[i].front() != nullptr) {
                    completions[i].at(in[i].front()).expect_value(0);
                    in[i].pop();
                    seen[i] = true;
                }
            }
        }
    }
};

// A driver that sleeps through the completions of a child while another thread begins to wait for one of them: that
// thread lowers the first number for which the child rings (ParentLane::ring_from, WaitLoop::hear_all).
template <Weakness kWeakness, bool kChecksAgain, rl::test_result_e kExpected>
struct SleptThrough : rl::test_suite<SleptThrough<kWeakness, kChecksAgain, kExpected>, 3, kExpected> {
    using Atomics = RelacyAtomics<kWeakness>;
    static constexpr std::uint64_t kNever = 9;

    Ring<Atomics> completions;
    Atomics::template Atomic<std::uint64_t> rings_from;
    Atomics::template Atomic<std::uint32_t> nudged;
    Atomics::template Atomic<std::uint32_t> bell;

    void before() { rings_from.store(kNever, std::memory_order_relaxed); }

    void thread(unsigned index) {
        if (index == 0) {
            child();
        } else if (index == 1) {
            driver();
        } else {
            other();
        }
    }

    void child() {
        auto out = completions.producer();
        for (std::uint64_t sequence = 0; sequence < 2; ++sequence) {
            completions.at(out.reserve()).write(sequence);
            out.publish();
            const bool sleeps = bell.load(std::memory_order_seq_cst) == kAsleep;
            if (sleeps && sequence < rings_from.load(std::memory_order_seq_cst)) {
                continue;
            }
            wake_sleeper<Atomics>(bell);
        }
    }

    void driver() {
        auto in = completions.consumer();
        const auto ready = [&] {
            const bool rings = in.front() != nullptr && rings_from.load(std::memory_order_seq_cst) == 0;
            return rings || nudged.load(std::memory_order_seq_cst) != 0;
        };
        while (in.front() == nullptr || rings_from.load(std::memory_order_seq_cst) != 0) {
            announce_and_sleep<Atomics>(bell, kAsleep, ready, std::nullopt);
        }
        completions.at(in.front()).expect_value(0);
    }

    void other() {
        rings_from.store(0, std::memory_order_seq_cst);
        if (kChecksAgain && completions.indices.tail.load(std::memory_order_seq_cst) != 0) {
            nudged.store(1, std::memory_order_seq_cst);
            wake_sleeper<Atomics>(bell);
        }
    }
};

// A frame that its parent revokes while its child claims it: one of them succeeds, and only that one touches the memory
// of the task; a revoked frame is passed over, and its slot used again only afterwards.
template <Weakness kWeakness, rl::test_result_e kExpected>
struct Revocation : rl::test_suite<Revocation<kWeakness, kExpected>, 2, kExpected> {
    using Atomics = RelacyAtomics<kWeakness>;
    struct ClaimedSlot : Slot {
        Atomics::template Atomic<std::uint32_t> claim;
    };
    static constexpr std::uint64_t kFrames = 3;

    Ring<Atomics, ClaimedSlot> frames;
    std::array<rl::var<int>, kFrames> owned;  // by the thread that settled the claim

    void before() {
        for (auto& each : owned) {
            each(rl::debug_info("before")) = 0;
        }
    }
    void after() {
        for (auto& each : owned) {
            expect(static_cast<int>(each(rl::debug_info("after"))) == 1, "every task executed or taken back, once");
        }
    }

    void thread(unsigned index) {
        if (index == 0) {
            auto out = frames.producer();
            for (std::uint64_t i = 0; i < kFrames; ++i) {
                std::byte* slot = out.reserve();
                while (slot == nullptr) {
                    rl::yield(1, rl::debug_info("full"));
                    slot = out.reserve();
                }
                auto& frame = frames.at(slot);
                frame.write(i);
                frame.claim.store(static_cast<std::uint32_t>(Claim::published), std::memory_order_relaxed);
                out.publish();
                // As in ParentLane, a slot's claim is read only while the slot cannot have been used again.
                if (settle_claim(frame.claim, Claim::revoked)) {
                    own(i);
                }
            }
            return;
        }
        auto in = frames.consumer();
        for (std::uint64_t i = 0; i < kFrames; ++i) {
            while (in.front() == nullptr) {
                rl::yield(1, rl::debug_info("empty"));
            }
            auto& frame = frames.at(in.front());
            if (settle_claim(frame.claim, Claim::claimed)) {
                frame.expect_value(i);
                own(i);
            }
            in.pop();
        }
    }

    void own(std::uint64_t task) {
        const int before = owned[task](rl::debug_info("own"));
        owned[task](rl::debug_info("own")) = before + 1;
    }
};

// Blocks that a parent gives back while their child collects the returned ones and writes them again: no block is lost,
// none comes twice, and the child has a block only when the parent has finished with it and linked it.
template <Weakness kWeakness, rl::test_result_e kExpected>
struct GivenBack : rl::test_suite<GivenBack<kWeakness, kExpected>, 2, kExpected> {
    using Atomics = RelacyAtomics<kWeakness>;
    static constexpr std::uint64_t kBlocks = 3;
    struct Block {
        rl::var<std::uint64_t> link;
        rl::var<std::uint64_t> bytes;
    };

    Atomics::template Atomic<std::uint64_t> head;
    std::array<Block, kBlocks> blocks;

    void thread(unsigned index) {
        if (index == 0) {
            for (std::uint64_t i = 0; i < kBlocks; ++i) {
                blocks[i].bytes(rl::debug_info("the parent's last use")) = i;
                callring::push_given_back(head, i + 1, [&](std::uint64_t before) {
                    blocks[i].link(rl::debug_info("link")) = before;
                    return true;
                });
            }
            return;
        }
        std::array<bool, kBlocks> taken{};
        for (std::uint64_t count = 0; count < kBlocks;) {
            std::uint64_t link = callring::take_given_back(head);
            if (link == 0) {
                rl::yield(1, rl::debug_info("nothing"));
            }
            while (link != 0) {
                Block& block = blocks[link - 1];
                expect(!taken[link - 1], "each block once");
                taken[link - 1] = true;
                ++count;
                link = block.link(rl::debug_info("follow"));
                block.bytes(rl::debug_info("written again")) = 0;
            }
        }
    }
};

// A child that is stopped while it falls asleep: it ends (ChildLane::stop).
template <Weakness kWeakness, rl::test_result_e kExpected>
struct Stop : rl::test_suite<Stop<kWeakness, kExpected>, 2, kExpected> {
    using Atomics = RelacyAtomics<kWeakness>;

    Atomics::template Atomic<std::uint32_t> stopped;
    Atomics::template Atomic<std::uint32_t> asleep;

    void thread(unsigned index) {
        if (index == 0) {
            stopped.store(1, std::memory_order_seq_cst);
            wake_sleeper<Atomics>(asleep);
            return;
        }
        const auto ready = [&] { return stopped.load(std::memory_order_seq_cst) != 0; };
        while (!ready()) {
            announce_and_sleep<Atomics>(asleep, kAsleep, ready, std::nullopt);
        }
    }
};

template <class Test>
bool simulate(rl::test_params& params, std::uint64_t count, std::ostream& out) {
    params.iteration_count = count;
    params.execution_depth_limit = 10'000;
    params.output_stream = &out;
    params.progress_stream = &out;
    return rl::simulate<Test>(params);
}

template <class Test>
bool explore(const char* what, std::uint64_t count) {
    std::ofstream nowhere("/dev/null");
    rl::test_params params;
    const bool expected = simulate<Test>(params, count, nowhere);
    const bool found = params.test_result != rl::test_result_success;
    std::cout << (expected ? "ok    " : "WRONG ") << what << ": "
              << (found ? rl::test_result_str(params.test_result) : "clean") << " after " << params.stop_iteration
              << " interleavings" << '\n';
    if (!expected && found) {
        rl::test_params again;  // the same interleavings, printed this time
        simulate<Test>(again, count, std::cout);
    }
    return expected;
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20'000;
    using enum Weakness;
    bool good = true;
    good &= explore<Lane<none, true, rl::test_result_success>>("frames and completions of a lane", count);
    good &= explore<SharedBell<none, rl::test_result_success>>("two children at one bell", count);
    good &= explore<Revocation<none, rl::test_result_success>>("frames claimed and revoked", count);
    good &= explore<SleptThrough<none, true, rl::test_result_success>>("completions that are slept through", count);
    good &= explore<Stop<none, rl::test_result_success>>("a child that is stopped", count);
    good &= explore<GivenBack<none, rl::test_result_success>>("memory that is given back", count);
    // The removed safeguards, whose errors have to be found.
    good &= explore<Lane<none, false, rl::test_result_deadlock>>("a sleeper that does not check again", count);
    good &= explore<Lane<acquire_release, true, rl::test_result_deadlock>>("a lane without seq_cst", count);
    good &= explore<SharedBell<acquire_release, rl::test_result_deadlock>>("a bell without seq_cst", count);
    good &= explore<SleptThrough<none, false, rl::test_result_deadlock>>("a completion that was slept through", count);
    good &= explore<SleptThrough<acquire_release, true, rl::test_result_deadlock>>("a sleep through without seq_cst",
                                                                                   count);
    good &= explore<Stop<acquire_release, rl::test_result_deadlock>>("an end without seq_cst", count);
    good &= explore<Revocation<relaxed, rl::test_result_data_race>>("claims without an order", count);
    good &= explore<GivenBack<relaxed, rl::test_result_data_race>>("memory given back without an order", count);
    return good ? 0 : 1;
}
