// Lane headers: a lane that is accepted has all its rings inside of its memory.
#include <cstring>

#include "lane/child_lane.h"
#include "tests/fuzz/decoders.h"

namespace callring::fuzz::lane_header {

namespace {
// The input is a header and, behind it, how many bytes of memory there are.
struct Input {
    LaneHeader header;
    std::uint64_t bytes;
};

Bytes encoded(std::uint32_t capacity, std::uint32_t spans) {
    Input input{};
    input.header.magic = kLaneMagic;
    input.header.layout_version = kLayoutVersion;
    input.header.capacity = capacity;
    input.header.span_capacity = spans;
    input.bytes = input.header.total_bytes = lane_bytes(capacity, spans);
    return copy({reinterpret_cast<const std::byte*>(&input), sizeof input});
}
}  // namespace

std::vector<Bytes> seeds() {
    return {encoded(1024, 0), encoded(8, 16), encoded(1, 1)};
}

void run(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(Input)) {
        return;
    }
    Input input{};
    std::memcpy(static_cast<void*>(&input), bytes.data(), sizeof input);
    const auto checked = check_lane(input.header, input.bytes);
    if (!checked) {
        require(checked.error().code == Code::malformed || checked.error().code == Code::layout_mismatch,
                "a refusal is malformed or layout_mismatch");
        return;
    }
    const LaneHeader& lane = input.header;
    require(lane.capacity > 0 && (lane.capacity & (lane.capacity - 1)) == 0, "the capacity is a power of two");
    require((lane.span_capacity & (lane.span_capacity - 1)) == 0, "the capacity for spans is a power of two, or 0");
    __extension__ using Wide = unsigned __int128;
    const Wide end = Wide{sizeof(LaneHeader)} + (Wide{lane.capacity} * (kFrameBytes + kCompletionBytes)) +
                     (Wide{lane.span_capacity} * sizeof(CoreSpanRecord)) + kResultBytes;
    require(end == input.bytes, "the rings and the result area fill the memory exactly");
}

}  // namespace callring::fuzz::lane_header
