// Reading a completion, which lies in memory that a child may have written over: its parent believes nothing of it that
// could make it read elsewhere, or end another task than the one that is due.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "common/result.h"
#include "lane/layout.h"

namespace callring {

struct TaskOutcome {
    Code code = Code::ok;
    bool payload_in_results = false;     // it lies in the lane's result area, where `payload`, a ResultRecord, says
    bool payload_in_extent = false;      // it lies in an extent, which `payload`, an ExtentRecord, names
    std::span<const std::byte> payload;  // in the completion
};

// The outcome of the frame `sequence`; nullopt if this is no completion of it.
[[nodiscard]] inline std::optional<TaskOutcome> decode_completion(const Completion& completion,
                                                                  std::uint64_t sequence) noexcept {
    if (completion.sequence != sequence || completion.code >= kCodes ||
        completion.payload_bytes > completion.payload.size() ||
        (completion.flags & ~(kPayloadInResults | kPayloadInExtent)) != 0 ||
        completion.flags == (kPayloadInResults | kPayloadInExtent) ||
        (completion.flags != 0 && completion.payload_bytes != sizeof(ResultRecord))) {
        return std::nullopt;
    }
    return TaskOutcome{static_cast<Code>(completion.code), (completion.flags & kPayloadInResults) != 0,
                       (completion.flags & kPayloadInExtent) != 0,
                       std::span(completion.payload).first(completion.payload_bytes)};
}

// Where in a result area of kResultBytes the payload lies that `record` describes; nullopt if it does not lie in it.
[[nodiscard]] inline std::optional<ResultRecord> decode_result(std::span<const std::byte> record) noexcept {
    ResultRecord result{};
    if (record.size() != sizeof result) {
        return std::nullopt;
    }
    std::memcpy(&result, record.data(), sizeof result);
    if (result.bytes > kResultBytes || result.position % kResultBytes > kResultBytes - result.bytes) {
        return std::nullopt;
    }
    return result;
}

// The extent that `record` names; nullopt if it is none. Whether it lies in the store: lane/extent_store.h.
[[nodiscard]] inline std::optional<ExtentRecord> decode_extent(std::span<const std::byte> record) noexcept {
    ExtentRecord extent{};
    if (record.size() != sizeof extent) {
        return std::nullopt;
    }
    std::memcpy(&extent, record.data(), sizeof extent);
    return extent;
}

}  // namespace callring
