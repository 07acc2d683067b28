// The result area of a lane: payloads that do not fit their completion.
#include <cstring>
#include <deque>
#include <random>
#include <string>

#include "tests/lane/lane_fixture.h"

using namespace callring;
using callring::test::LanePair;

namespace {

// Completes the next frame with `payload` in the result area; false: there is no room.
bool post(const LanePair& lane, const std::string& payload) {
    lane.push();
    REQUIRE(lane.child->try_next() != nullptr);
    std::byte* room = lane.child->reserve_result(payload.size());
    if (room == nullptr) {
        lane.child->complete(Code::ok, 0, 0, {});
        return false;
    }
    std::memcpy(room, payload.data(), payload.size());
    lane.child->complete_with_result(Code::ok, 0, 0, payload.size());
    return true;
}

std::optional<std::string> take(const LanePair& lane) {
    const Completion* completion = lane.parent->front_completion();
    REQUIRE(completion != nullptr);
    const auto outcome = decode_completion(*completion, completion->sequence);
    REQUIRE(outcome);
    std::optional<std::string> payload;
    if (outcome->payload_in_results) {
        const auto bytes = lane.parent->result(outcome->payload);
        REQUIRE(bytes);
        payload.emplace(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    }
    lane.parent->pop_completion();
    return payload;
}

}  // namespace

TEST_CASE("a payload in the result area arrives whole") {
    const LanePair lane;
    const std::string payload(100'000, 'x');
    REQUIRE(post(lane, payload));
    CHECK(take(lane) == payload);
}

TEST_CASE("as much as the result area holds may wait there, and no more") {
    const LanePair lane;
    const std::string half(kResultBytes / 2, 'h');
    CHECK(post(lane, half));
    CHECK(post(lane, half));
    CHECK_FALSE(post(lane, "x"));
    CHECK(take(lane) == half);
    CHECK_FALSE(post(lane, half + "x"));
    CHECK(post(lane, half));
    CHECK(take(lane) == half);
    CHECK(take(lane) == std::nullopt);
}

TEST_CASE("a payload that is larger than the result area never finds room, and one that fills it does") {
    const LanePair lane;
    CHECK_FALSE(post(lane, std::string(kResultBytes + 1, 'x')));
    CHECK(post(lane, std::string(kResultBytes, 'y')));
    CHECK(take(lane) == std::nullopt);
    CHECK(take(lane)->size() == kResultBytes);
}

TEST_CASE("an empty area is written from its front again") {
    const LanePair lane;
    const std::byte* first = nullptr;
    for (int i = 0; i < 5; ++i) {
        lane.push();
        REQUIRE(lane.child->try_next() != nullptr);
        std::byte* room = lane.child->reserve_result(1000);
        first = first == nullptr ? room : first;
        CHECK(room == first);
        lane.child->complete_with_result(Code::ok, 0, 0, 1000);
        CHECK(take(lane)->size() == 1000);
    }
}

TEST_CASE("payloads of any sizes arrive as they were written, in order, however late they are taken") {
    const LanePair lane;
    std::mt19937 random(7);
    std::deque<std::optional<std::string>> written;
    for (int i = 0; i < 400; ++i) {
        if (written.size() < 6 && random() % 3 != 0) {
            const std::string payload(1 + (random() % (kResultBytes / 3)), static_cast<char>('a' + (i % 26)));
            written.push_back(post(lane, payload) ? std::optional(payload) : std::nullopt);
        } else if (!written.empty()) {
            CHECK(take(lane) == written.front());
            written.pop_front();
        }
    }
}

TEST_CASE("a record that points outside of the result area is refused") {
    const LanePair lane;
    const auto bytes_of = [](const ResultRecord& record) { return std::as_bytes(std::span(&record, 1)); };
    for (const ResultRecord& wrong : {ResultRecord{1, kResultBytes}, ResultRecord{0, kResultBytes + 1},
                                      ResultRecord{UINT64_MAX, 2}, ResultRecord{0, UINT64_MAX}}) {
        CHECK_FALSE(lane.parent->result(bytes_of(wrong)));
    }
    const ResultRecord last{kResultBytes - 1, 1};
    CHECK(lane.parent->result(bytes_of(last)));
    CHECK_FALSE(lane.parent->result({}));
}

TEST_CASE("a child counts as loading code from its announcement until it announces the end") {
    const LanePair lane;
    CHECK(lane.parent->loaded_until_ns(1000) == 0);
    lane.child->begin_loading();
    CHECK(lane.parent->loaded_until_ns(1000) == 1000);
    lane.child->end_loading();
    const std::uint64_t done = lane.parent->loaded_until_ns(UINT64_MAX - 1);
    CHECK(done > 1000);
    CHECK(lane.parent->loaded_until_ns(UINT64_MAX - 2) == done);
    CHECK(lane.parent->loaded_until_ns(1000) == 1000);
}
