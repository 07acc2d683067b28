#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "lane/predecessors.h"
#include "tests/lane/lane_fixture.h"

using namespace callring;
using callring::test::LanePair;

TEST_CASE("frames arrive in order with their run, version and a zero reserved field") {
    const LanePair lane;
    lane.push(7);
    lane.push(8);
    for (const std::uint64_t run : {7U, 8U}) {
        const Frame* frame = lane.child->try_next();
        REQUIRE(frame != nullptr);
        CHECK(frame->run == run);
        CHECK(frame->layout_version == kLayoutVersion);
        CHECK(frame->reserved == 0);
        lane.child->complete(Code::ok, 0, 0, {});
    }
    CHECK(lane.child->try_next() == nullptr);
}

TEST_CASE("a completion carries the code, the times and the payload of its frame") {
    const LanePair lane;
    const std::uint64_t sequence = lane.push();
    REQUIRE(lane.child->try_next() != nullptr);
    const std::string payload = "seven";
    lane.child->complete(Code::python_exception, 11, 13, std::as_bytes(std::span(payload)));
    const Completion* completion = lane.parent->front_completion();
    REQUIRE(completion != nullptr);
    CHECK(completion->sequence == sequence);
    CHECK(completion->code == static_cast<std::uint32_t>(Code::python_exception));
    CHECK(completion->begin_ns == 11);
    CHECK(completion->end_ns == 13);
    CHECK(std::memcmp(completion->payload.data(), payload.data(), payload.size()) == 0);
    lane.parent->pop_completion();
    CHECK(lane.parent->front_completion() == nullptr);
}

TEST_CASE("a lane is full at its capacity until completions are taken, even if the child has finished") {
    const LanePair lane(2);
    lane.push();
    lane.push();
    CHECK(lane.parent->full());
    REQUIRE(lane.child->try_next() != nullptr);
    lane.child->complete(Code::ok, 0, 0, {});
    CHECK(lane.parent->full());
    REQUIRE(lane.parent->front_completion() != nullptr);
    lane.parent->pop_completion();
    CHECK_FALSE(lane.parent->full());
}

TEST_CASE("a revoked frame is passed over and a claimed frame cannot be revoked") {
    const LanePair lane;
    const std::uint64_t first = lane.push(1);
    const std::uint64_t second = lane.push(2);
    lane.push(3);
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK(lane.parent->claimed(first));
    CHECK_FALSE(lane.parent->revoke(first));
    CHECK(lane.parent->revoke(second));
    lane.child->complete(Code::ok, 0, 0, {});
    const Frame* next = lane.child->try_next();
    REQUIRE(next != nullptr);
    CHECK(next->run == 3);
}

TEST_CASE("an overwritten frame cannot be revoked, since its child may be executing it") {
    const LanePair lane;
    const std::uint64_t frame = lane.push();
    REQUIRE(lane.child->try_next() != nullptr);
    auto mapped = lane.map_again();
    std::memset(mapped.data() + frames_offset() + (frame * kFrameBytes), 0, kFrameBytes);
    CHECK_FALSE(lane.parent->revoke(frame));
}

TEST_CASE("a lane is intact until a writer other than its two ends has changed it") {
    const LanePair lane;
    const std::uint64_t first = lane.push();
    const std::uint64_t second = lane.push();
    const auto all_intact = [&] {
        return lane.parent->intact() && lane.parent->intact(first) && lane.parent->intact(second);
    };
    CHECK(all_intact());
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK(all_intact());
    CHECK_FALSE(lane.parent->passed(first));
    lane.child->complete(Code::ok, 0, 0, {});
    CHECK(all_intact());
    CHECK(lane.parent->passed(first));
    CHECK_FALSE(lane.parent->passed(second));
    REQUIRE(lane.parent->revoke(second));
    CHECK(lane.child->try_next() == nullptr);
    CHECK(all_intact());

    auto mapped = lane.map_again();
    const auto written_over = [&](std::size_t place, bool of_frame) {
        std::byte& byte = mapped.data()[place];
        byte ^= std::byte{0x80};
        const bool damaged = of_frame ? !lane.parent->intact(second) : !lane.parent->intact();
        byte ^= std::byte{0x80};
        return damaged;
    };
    const std::size_t frame = frames_offset() + (second * kFrameBytes);
    CHECK(written_over(offsetof(LaneHeader, magic), false));
    CHECK(written_over(offsetof(LaneHeader, capacity), false));
    CHECK(written_over(offsetof(LaneHeader, frames.tail) + 7, false));
    CHECK(written_over(offsetof(LaneHeader, frames.head) + 7, false));
    CHECK(written_over(offsetof(LaneHeader, completions.tail) + 7, false));
    CHECK(written_over(offsetof(LaneHeader, completions.head) + 7, false));
    CHECK(written_over(frame + offsetof(Frame, layout_version), true));
    CHECK(written_over(frame + offsetof(Frame, claim), true));
    CHECK(written_over(frame + offsetof(Frame, sequence), true));
    CHECK(all_intact());
}

TEST_CASE("a child whose frame was overwritten does not execute or complete it, and ends") {
    for (const bool while_executed : {false, true}) {
        LanePair lane;
        lane.push();
        auto mapped = lane.map_again();
        const pid_t pid = ::fork();
        if (pid == 0) {
            // The forked process does not map the inherited end, and must not unmap it.
            // NOLINTNEXTLINE(bugprone-unused-return-value): the process ends without it
            static_cast<void>(lane.child.release());
            lane.attach_child();
            if (while_executed && lane.child->try_next() == nullptr) {
                ::_exit(7);
            }
            std::memset(mapped.data() + frames_offset(), 0, kFrameBytes);
            if (while_executed) {
                lane.child->complete(Code::ok, 0, 0, {});
            } else {
                static_cast<void>(lane.child->try_next());
            }
            ::_exit(8);
        }
        int status = 0;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 1);
        CHECK_FALSE(lane.parent->has_completions());
        CHECK_FALSE(lane.parent->intact(0));
    }
}

TEST_CASE("a frame whose predecessor failed in this lane completes as skipped without being handed out") {
    const LanePair lane;
    lane.push(1);
    lane.push(2, {1});
    lane.push(3, {1});
    lane.push(4);
    REQUIRE(lane.child->try_next()->run == 1);
    lane.child->complete(Code::kernel_failed, 0, 0, {});
    CHECK(lane.child->try_next()->run == 4);
    std::vector<std::uint32_t> codes;
    while (const Completion* completion = lane.parent->front_completion()) {
        codes.push_back(completion->code);
        lane.parent->pop_completion();
    }
    const auto skipped = static_cast<std::uint32_t>(Code::skipped);
    CHECK(codes == std::vector<std::uint32_t>{static_cast<std::uint32_t>(Code::kernel_failed), skipped, skipped});
}

TEST_CASE("a frame whose predecessor succeeded is executed") {
    const LanePair lane;
    lane.push(1);
    lane.push(2, {1});
    REQUIRE(lane.child->try_next()->run == 1);
    lane.child->complete(Code::ok, 0, 0, {});
    CHECK(lane.child->try_next()->run == 2);
}

TEST_CASE("a frame with many predecessors is skipped if any of them failed, and not for another frame") {
    constexpr std::uint32_t kFrames = kMaxDistanceInSet + 2;
    for (const std::uint32_t count : {5U, 32U, 33U, 64U, 127U, 128U}) {
        const std::uint32_t nearest = kMaxDistanceInSet - count + 1;  // they are neighbours, the last one 128 away
        for (const std::uint32_t failed : {1U, nearest - 1, nearest, nearest + (count / 2), 127U, 128U, 129U}) {
            CAPTURE(count);
            CAPTURE(failed);
            const LanePair lane(256);
            for (std::uint32_t i = 0; i < kFrames; ++i) {
                lane.push();
            }
            Predecessors named{};
            named.name(count, [&](std::size_t i) { return nearest + i; });
            std::uint32_t visited = 0;
            named.for_each([&](std::uint32_t distance) { visited += distance >= nearest ? 1 : 1000; });
            CHECK(visited == count);
            lane.push(7, named.words, kFrameManyPredecessors);
            for (std::uint32_t i = 0; i < kFrames; ++i) {
                REQUIRE(lane.child->try_next() != nullptr);
                const bool fails = i + failed == kFrames;
                lane.child->complete(fails ? Code::kernel_failed : Code::ok, 0, 0, {});
            }
            const bool skipped = failed >= nearest && failed <= kMaxDistanceInSet;
            CHECK((lane.child->try_next() == nullptr) == skipped);
        }
    }
}

TEST_CASE("a frame with many predecessors is claimed ahead only if none of them is in the batch") {
    for (const std::uint32_t nearest : {1U, 2U, 3U, 4U}) {
        CAPTURE(nearest);
        const LanePair lane(32);
        for (int i = 0; i < 12; ++i) {
            lane.push();
        }
        Predecessors named{};
        named.name(6, [&](std::size_t i) { return nearest + i; });
        lane.push(7, named.words, kFrameManyPredecessors);
        for (int i = 0; i < 10; ++i) {
            REQUIRE(lane.child->try_next() != nullptr);
            lane.child->complete(Code::ok, 0, 0, {});
        }
        REQUIRE(lane.child->try_next() != nullptr);  // the frame is two behind this one
        CHECK(lane.child->claim_ahead(7).size() == (nearest > 2 ? 2 : 1));
    }
}

TEST_CASE("frames that are claimed ahead are handed out in order and cannot be revoked") {
    const LanePair lane;
    for (std::uint64_t run = 0; run < 5; ++run) {
        lane.push(run);
    }
    REQUIRE(lane.child->try_next() != nullptr);
    const auto ahead = lane.child->claim_ahead(3);
    REQUIRE(ahead.size() == 3);
    CHECK_FALSE(lane.parent->revoke(3));
    CHECK(lane.parent->revoke(4));
    lane.child->complete(Code::ok, 0, 0, {});
    for (const Frame* expected : ahead) {
        CHECK(lane.child->try_next() == expected);
        lane.child->complete(Code::ok, 0, 0, {});
    }
    CHECK(lane.child->try_next() == nullptr);  // the last one was revoked
}

TEST_CASE("a frame that needs another frame of the batch, or has a deadline, is not claimed ahead") {
    const LanePair lane;
    lane.push();
    lane.push();
    lane.push(0, {1});  // needs the one before it
    lane.push();
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK(lane.child->claim_ahead(7).size() == 1);
    lane.child->complete(Code::kernel_failed, 0, 0, {});
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK(lane.child->claim_ahead(7).empty());
    lane.child->complete(Code::ok, 0, 0, {});
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK(lane.child->claim_ahead(7).size() == 1);
    lane.child->complete(Code::ok, 0, 0, {});
    REQUIRE(lane.child->try_next() != nullptr);
    lane.child->complete(Code::ok, 0, 0, {});
    lane.push();
    lane.push(0, {}, kFrameTimed);
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK(lane.child->claim_ahead(7).empty());
    lane.child->complete(Code::ok, 0, 0, {});
    REQUIRE(lane.child->try_next() != nullptr);
    lane.push();
    CHECK(lane.child->claim_ahead(7).empty());  // what follows a timed frame would delay it
}

TEST_CASE("a frame whose earlier predecessor failed is not claimed ahead") {
    const LanePair lane;
    lane.push();
    lane.push();
    lane.push(0, {2});
    REQUIRE(lane.child->try_next() != nullptr);
    lane.child->complete(Code::kernel_failed, 0, 0, {});
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK(lane.child->claim_ahead(7).empty());
    lane.child->complete(Code::ok, 0, 0, {});
    CHECK(lane.child->try_next() == nullptr);  // it was skipped
}

TEST_CASE("core spans are taken up to the frame that is asked for, and dropped ones are counted") {
    const LanePair lane(8, 2);
    lane.child->post_span({5, 1, 2, 0, 0});
    lane.child->post_span({6, 3, 4, 1, 0});
    lane.child->post_span({6, 5, 6, 1, 0});
    CHECK(lane.parent->take_spans_dropped() == 1);
    CHECK(lane.parent->take_spans_dropped() == 0);
    CHECK(lane.parent->take_span(5)->begin_ns == 1);
    CHECK_FALSE(lane.parent->take_span(5).has_value());
    CHECK(lane.parent->take_span(6)->begin_ns == 3);
}

TEST_CASE("a crash note is accepted if it is complete and its kernel is a name") {
    const LanePair lane;
    CrashNote& note = lane.child->crash_note();
    CHECK_FALSE(lane.parent->crashed_in().has_value());
    note.block = 3;
    std::memcpy(note.kernel.data(), "add", 3);
    note.state = CrashNote::kBegun;
    CHECK_FALSE(lane.parent->crashed_in().has_value());
    note.state = CrashNote::kWhole;
    REQUIRE(lane.parent->crashed_in().has_value());
    CHECK(lane.parent->crashed_in()->kernel == "add");
    CHECK(lane.parent->crashed_in()->block == 3);
    note.kernel.fill('k');
    CHECK(lane.parent->crashed_in()->kernel == std::string(note.kernel.size(), 'k'));
    note.kernel[1] = '\x80';
    CHECK_FALSE(lane.parent->crashed_in().has_value());
    note.kernel.fill('\0');
    CHECK_FALSE(lane.parent->crashed_in().has_value());
}

TEST_CASE("a child refuses a lane of another layout version") {
    const LanePair lane;
    void* mapped = ::mmap(nullptr, sizeof(LaneHeader), PROT_READ | PROT_WRITE, MAP_SHARED, lane.parent->fd(), 0);
    REQUIRE(mapped != MAP_FAILED);
    static_cast<LaneHeader*>(mapped)->layout_version = kLayoutVersion + 1;
    auto attached = ChildLane::attach(UniqueFd::copy_of(lane.parent->fd()), UniqueFd::copy_of(lane.bell->fd()),
                                      UniqueFd::copy_of(lane.bell->event_fd()));
    REQUIRE_FALSE(attached.ok());
    CHECK(attached.error().code == Code::layout_mismatch);
    ::munmap(mapped, sizeof(LaneHeader));
}

TEST_CASE("a child refuses a lane whose size is not sealed") {
    UniqueFd loose(::memfd_create("loose", MFD_CLOEXEC));
    const LanePair lane;
    auto attached = ChildLane::attach(std::move(loose), UniqueFd::copy_of(lane.bell->fd()),
                                      UniqueFd::copy_of(lane.bell->event_fd()));
    REQUIRE_FALSE(attached.ok());
    CHECK(attached.error().code == Code::malformed);
}

TEST_CASE("two threads exchange every frame once and in order, sleeping and waking in between") {
    constexpr std::uint64_t kFrames = 20'000;
    const LanePair lane(64, 16, 0);  // no thread spins: the sleeping path is taken as often as possible
    std::thread child([&] {
        std::uint64_t expected = 0;
        do {
            while (const Frame* frame = lane.child->try_next()) {
                if (frame->run != expected++) {
                    std::abort();
                }
                lane.child->complete(Code::ok, frame->run, 0, {});
            }
        } while (lane.child->wait());
    });
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    const auto ready = [&] { return lane.parent->has_completions(); };
    while (received < kFrames) {
        while (sent < kFrames && !lane.parent->full()) {
            lane.push(sent++);
        }
        while (const Completion* completion = lane.parent->front_completion()) {
            REQUIRE(completion->begin_ns == received++);
            lane.parent->pop_completion();
        }
        if (received < sent) {
            lane.bell->sleep(ready, std::nullopt);
        }
    }
    lane.child->stop();
    child.join();
    CHECK(received == kFrames);
}

TEST_CASE("revoking and claiming race without a frame being both executed and taken back") {
    constexpr int kFrames = 20'000;
    const LanePair lane(64, 16, 0);
    std::vector<std::uint8_t> executed(kFrames, 0);
    std::vector<std::uint8_t> revoked(kFrames, 0);
    std::thread child([&] {
        do {
            while (const Frame* frame = lane.child->try_next()) {
                executed[frame->run] = 1;
                lane.child->complete(Code::ok, 0, 0, {});
            }
        } while (lane.child->wait());
    });
    for (int sent = 0; sent < kFrames;) {
        while (const Completion* completion = lane.parent->front_completion()) {
            static_cast<void>(completion);
            lane.parent->pop_completion();
        }
        if (lane.parent->full()) {
            continue;
        }
        const std::uint64_t sequence = lane.push(static_cast<std::uint64_t>(sent));
        if (sent % 3 == 0 && lane.parent->revoke(sequence)) {
            revoked[static_cast<std::size_t>(sent)] = 1;
        }
        ++sent;
    }
    lane.child->stop();
    child.join();
    for (int i = 0; i < kFrames; ++i) {
        CHECK_FALSE((executed[static_cast<std::size_t>(i)] == 1 && revoked[static_cast<std::size_t>(i)] == 1));
    }
}

TEST_CASE("the parent can read when a timed frame was begun, until a later one is begun") {
    const LanePair lane;
    const std::uint64_t first = lane.push(0, {}, kFrameTimed);
    const std::uint64_t untimed = lane.push();
    const std::uint64_t last = lane.push(0, {}, kFrameTimed);
    CHECK_FALSE(lane.parent->begun_ns(first).has_value());
    const std::uint64_t before = now_ns();
    REQUIRE(lane.child->try_next() != nullptr);
    const auto begun = lane.parent->begun_ns(first);
    REQUIRE(begun.has_value());
    CHECK(*begun >= before);
    CHECK(*begun <= now_ns());
    lane.child->complete(Code::ok, 0, 0, {});
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK_FALSE(lane.parent->begun_ns(untimed).has_value());
    lane.child->complete(Code::ok, 0, 0, {});
    REQUIRE(lane.child->try_next() != nullptr);
    CHECK_FALSE(lane.parent->begun_ns(first).has_value());
    CHECK(lane.parent->begun_ns(last).has_value());
}

TEST_CASE("the begin time of a frame is never that of another frame") {
    constexpr std::uint64_t kFrames = 20'000;
    const LanePair lane;
    std::vector<std::atomic<std::uint64_t>> begun(kFrames);
    std::thread child([&] {
        do {
            while (const Frame* frame = lane.child->try_next()) {
                begun[frame->sequence].store(now_ns());  // not before the time that the lane has noted
                lane.child->complete(Code::ok, 0, 0, {});
            }
        } while (lane.child->wait());
    });
    std::uint64_t last_ns = 0;
    for (std::uint64_t sent = 0; sent < kFrames;) {
        while (lane.parent->front_completion() != nullptr) {
            lane.parent->pop_completion();
        }
        if (lane.parent->full()) {
            continue;
        }
        const std::uint64_t sequence = lane.push(0, {}, kFrameTimed);
        ++sent;
        if (const auto noted = lane.parent->begun_ns(sequence)) {
            CHECK(*noted >= last_ns);
            last_ns = *noted;
            if (const std::uint64_t later = begun[sequence].load(); later != 0) {
                CHECK(*noted <= later);
            }
        }
    }
    lane.child->stop();
    child.join();
}
