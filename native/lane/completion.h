// Reads a completion, which lies in memory that a child may have written over. The parent checks every value that could
// make it read other memory, or end a task other than the next one.
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
    bool payload_in_results = false;     // `payload` is a ResultRecord with its place in the lane's result area
    bool payload_in_extent = false;      // `payload` is an ExtentRecord that names its extent
    std::span<const std::byte> payload;  // in the completion
};

// The outcome of the frame `sequence`; nullopt if this is not a valid completion of it.
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

// The place of the payload of `record` in a result area of kResultBytes; nullopt if it lies outside.
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

// The extent that `record` names; nullopt if it is invalid. lane/extent_store.h checks that it lies in the store.
[[nodiscard]] inline std::optional<ExtentRecord> decode_extent(std::span<const std::byte> record) noexcept {
    ExtentRecord extent{};
    if (record.size() != sizeof extent) {
        return std::nullopt;
    }
    std::memcpy(&extent, record.data(), sizeof extent);
    return extent;
}

}  // namespace callring
