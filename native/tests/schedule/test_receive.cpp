// Receiving the payload of a completion, wherever it lies.
#include <cstring>
#include <string>

#include "schedule/receive.h"
#include "tests/lane/lane_fixture.h"

using namespace callring;
using callring::test::LanePair;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// The payload that the parent receives with the next completion.
Received receive_front(const LanePair& lane) {
    const Completion* const completion = lane.parent->front_completion();
    REQUIRE(completion != nullptr);
    const auto outcome = decode_completion(*completion, completion->sequence);
    REQUIRE(outcome.has_value());
    return receive(*lane.parent, *outcome, outcome->payload);
}

ExtentRecord write(const LanePair& lane, std::string_view text) {
    auto record = lane.child->extents().write(bytes_of(text));
    REQUIRE(record.ok());
    return *record;
}

// A value of `count` extents: their records, and the bytes behind them.
std::string apart(char form, const std::vector<ExtentRecord>& records, std::string_view rest = {}) {
    const auto count = static_cast<std::uint32_t>(records.size());
    std::string value{returned::kApart, form};
    value.append(reinterpret_cast<const char*>(&count), sizeof count);
    value.append(reinterpret_cast<const char*>(records.data()), records.size() * sizeof(ExtentRecord));
    return value.append(rest);
}

}  // namespace

TEST_CASE("a payload arrives whole from the completion, the result area and an extent") {
    const LanePair lane;
    for (const int where : {0, 1, 2}) {
        CAPTURE(where);
        lane.push();
        REQUIRE(lane.child->try_next() != nullptr);
        const std::string value(where == 0 ? 100 : 10'000, static_cast<char>('a' + where));
        if (where == 0) {
            lane.child->complete(Code::ok, 0, 0, bytes_of(value));
        } else if (where == 1) {
            std::byte* const room = lane.child->reserve_result(value.size());
            REQUIRE(room != nullptr);
            std::memcpy(room, value.data(), value.size());
            lane.child->complete_with_result(Code::ok, 0, 0, value.size());
        } else {
            const ExtentRecord record = write(lane, value);
            lane.child->complete(Code::ok, 0, 0, std::as_bytes(std::span(&record, 1)), kPayloadInExtent);
        }
        const Received received = receive_front(lane);
        CHECK(received.wrong == nullptr);
        CHECK(received.code == Code::ok);
        CHECK(received.payload == value);
        lane.parent->pop_completion();
    }
}

TEST_CASE("a payload in an extent at an impossible place is a violation") {
    const LanePair lane;
    const ExtentRecord good = write(lane, std::string(1000, 'x'));
    for (const ExtentRecord& bad : {ExtentRecord{0, 10}, ExtentRecord{good.offset + 1, 10},
                                    ExtentRecord{UINT64_MAX, 10}, ExtentRecord{good.offset, UINT64_MAX}}) {
        CAPTURE(bad.offset);
        CAPTURE(bad.bytes);
        lane.push();
        REQUIRE(lane.child->try_next() != nullptr);
        lane.child->complete(Code::ok, 0, 0, std::as_bytes(std::span(&bad, 1)), kPayloadInExtent);
        CHECK(receive_front(lane).wrong != nullptr);
        lane.parent->pop_completion();
    }
}

TEST_CASE("a payload that lies outside of the result area is a violation") {
    const LanePair lane;
    for (const ResultRecord& bad :
         {ResultRecord{kResultBytes - 1, 2}, ResultRecord{0, kResultBytes + 1}, ResultRecord{5, UINT64_MAX}}) {
        CAPTURE(bad.position);
        lane.push();
        REQUIRE(lane.child->try_next() != nullptr);
        lane.child->complete(Code::ok, 0, 0, std::as_bytes(std::span(&bad, 1)), kPayloadInResults);
        CHECK(receive_front(lane).wrong != nullptr);
        lane.parent->pop_completion();
    }
}

TEST_CASE("the extents that a value names are taken in its order") {
    const LanePair lane;
    const std::string pickle = "\x80\x05.";
    Received received{Code::ok, apart(returned::kPickle, {write(lane, "first"), write(lane, "second")}, pickle),
                      nullptr, nullptr};
    REQUIRE(received.holds_extents());
    receive_extents(*lane.parent, received);
    CHECK(received.wrong == nullptr);
    REQUIRE(received.extents != nullptr);
    REQUIRE(received.extents->size() == 2);
    CHECK(received.extents->at(0)->text() == "first");
    CHECK(received.extents->at(1)->text() == "second");
}

TEST_CASE("a value that names an extent at an impossible place, or is malformed with that extent's bytes, is refused") {
    const LanePair lane;
    const ExtentRecord text = write(lane, "\xFF is no UTF-8");
    const ExtentRecord pickle = write(lane, "no pickle");
    for (const std::string& value :
         {apart(returned::kBytes, {{1, 5}}), apart(returned::kText, {text}), apart(returned::kPickle, {pickle}),
          std::string("ab"), std::string("ab\0\0\0\0", 6)}) {
        CAPTURE(value);
        Received received{Code::ok, value, nullptr, nullptr};
        receive_extents(*lane.parent, received);
        CHECK(received.wrong != nullptr);
    }
}

TEST_CASE("one extent is not taken twice while the parent has it, and may be again after it was given back") {
    const LanePair lane;
    const ExtentRecord record = write(lane, "value");
    const std::string value = apart(returned::kBytes, {record});
    Received first{Code::ok, value, nullptr, nullptr};
    receive_extents(*lane.parent, first);
    REQUIRE(first.wrong == nullptr);
    Received second{Code::ok, value, nullptr, nullptr};
    receive_extents(*lane.parent, second);
    CHECK(second.wrong != nullptr);
    first.extents.reset();
    Received third{Code::ok, value, nullptr, nullptr};
    receive_extents(*lane.parent, third);
    CHECK(third.wrong == nullptr);
}

TEST_CASE("only a value of the kind whose parts lie elsewhere holds extents") {
    const auto holds = [](Code code, std::string payload) {
        return Received{code, std::move(payload), nullptr, nullptr}.holds_extents();
    };
    CHECK(holds(Code::ok, "ab"));
    CHECK_FALSE(holds(Code::ok, ""));
    CHECK_FALSE(holds(Code::ok, "bab"));
    CHECK_FALSE(holds(Code::python_exception, "ab"));
}
