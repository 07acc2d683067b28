// Completions: whatever memory a child's kernels overwrite, its parent reads nothing but the completion itself.
#include "lane/completion.h"

#include <algorithm>
#include <string>

#include "lane/returned_value.h"
#include "lane/task_failure.h"
#include "tests/fuzz/decoders.h"

namespace callring::fuzz::completion {

namespace {
constexpr std::uint64_t kExpected = 5;

Bytes encoded(Code code, std::uint32_t flags, std::string_view payload) {
    Completion completion{};
    completion.sequence = kExpected;
    completion.code = static_cast<std::uint32_t>(code);
    completion.flags = flags;
    completion.payload_bytes = static_cast<std::uint32_t>(payload.size());
    std::ranges::copy(std::as_bytes(std::span(payload)), completion.payload.begin());
    return copy(std::as_bytes(std::span(&completion, 1)));
}
}  // namespace

std::vector<Bytes> seeds() {
    const ResultRecord record{kResultBytes + 5, 1000};
    const std::string_view in_results(reinterpret_cast<const char*>(&record), sizeof record);
    const ExtentRecord extent{kExtentHeader, 100'000};
    const std::string_view in_extent(reinterpret_cast<const char*>(&extent), sizeof extent);
    const std::string apart = std::string("ap\1\0\0\0", 6) + std::string(in_extent);
    return {encoded(Code::ok, 0, ""),
            encoded(Code::ok, 0, apart),
            encoded(Code::ok, 0, "value"),
            encoded(Code::ok, kPayloadInExtent, in_extent),
            encoded(Code::ok, kPayloadInResults, in_results),
            encoded(Code::kernel_failed, 0, encode_kernel_failure({3, 0, "add", ""}))};
}

void run(std::span<const std::byte> input) {
    Completion completion{};
    std::ranges::copy(input.first(std::min(input.size(), sizeof completion)),
                      std::as_writable_bytes(std::span(&completion, 1)).begin());
    const auto outcome = decode_completion(completion, kExpected);
    if (!outcome) {
        return;
    }
    require(completion.sequence == kExpected, "a completion belongs to the frame that is due");
    const auto payload = outcome->payload;
    require(payload.size() <= completion.payload.size(), "the payload fits its completion");
    require(payload.empty() || payload.data() == completion.payload.data(), "the payload lies in its completion");
    require(static_cast<std::uint32_t>(outcome->code) < kCodes, "the code is known");
    if (const auto result = decode_result(payload)) {
        const std::uint64_t begin = result->position % kResultBytes;
        require(result->bytes <= kResultBytes && begin + result->bytes <= kResultBytes, "a result lies in its area");
    }
    require(decode_extent(payload).has_value() == (payload.size() == sizeof(ExtentRecord)), "an extent is one record");
    const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
    if (const auto value = decode_apart(text)) {
        require(value->count > 0 && value->records.size() == value->count * sizeof(ExtentRecord), "records are whole");
        require(value->records.data() + value->records.size() == value->rest.data() &&
                    value->rest.data() + value->rest.size() == text.data() + text.size(),
                "records and rest fill the payload");
        static_cast<void>(value->record(value->count - 1));
        static_cast<void>(is_returned_value(text));
    }
}

}  // namespace callring::fuzz::completion
