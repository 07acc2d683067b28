// The value that a Python callable returned, as bytes of a completion. None has no bytes. Any other value is a letter
// and its data; small values of exact built-in types are not pickled. If large parts of a value lie in extents, its
// bytes are the letter kApart, the letter of its form, `u32 count`, `count` ExtentRecords, and the rest of the value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "common/utf8.h"
#include "lane/layout.h"

namespace callring {

namespace returned {
inline constexpr char kTrue = 't';
inline constexpr char kFalse = 'f';
inline constexpr char kInteger = 'i';  // an int64
inline constexpr char kFloat = 'd';    // a double
inline constexpr char kText = 's';     // in UTF-8
inline constexpr char kBytes = 'b';
inline constexpr char kPickle = 'p';
// Text and bytes have one extent. A pickle follows the records, or is the first extent if nothing follows; the other
// extents are its out-of-band buffers, in order.
inline constexpr char kApart = 'a';
}  // namespace returned

struct ApartValue {
    char form;
    std::uint32_t count;
    std::string_view records;
    std::string_view rest;

    [[nodiscard]] ExtentRecord record(std::uint32_t index) const noexcept {
        ExtentRecord record{};
        std::memcpy(&record, records.data() + (index * sizeof record), sizeof record);
        return record;
    }
};

// Parses a payload that begins with kApart; nullopt if it is invalid.
[[nodiscard]] inline std::optional<ApartValue> decode_apart(std::string_view payload) noexcept {
    constexpr std::size_t kHead = 2 + sizeof(std::uint32_t);
    if (payload.size() < kHead || payload.front() != returned::kApart) {
        return std::nullopt;
    }
    std::uint32_t count = 0;
    std::memcpy(&count, payload.data() + 2, sizeof count);
    const char form = payload[1];
    payload.remove_prefix(kHead);
    if (count == 0 || payload.size() / sizeof(ExtentRecord) < count) {
        return std::nullopt;
    }
    const std::size_t records = count * sizeof(ExtentRecord);
    return ApartValue{form, count, payload.substr(0, records), payload.substr(records)};
}

[[nodiscard]] inline bool is_pickle(std::string_view bytes) noexcept {  // from its first opcode to its last
    return bytes.size() > 2 && bytes.front() == '\x80' && bytes.back() == '.';
}

// Whether a correct child can have written this value. The contents of pickles and extents are not checked.
[[nodiscard]] inline bool is_returned_value(std::string_view payload) noexcept {
    if (payload.empty()) {
        return true;
    }
    const std::string_view body = payload.substr(1);
    switch (payload.front()) {
        case returned::kTrue:
        case returned::kFalse:
            return body.empty();
        case returned::kInteger:
            return body.size() == sizeof(std::int64_t);
        case returned::kFloat:
            return body.size() == sizeof(double);
        case returned::kText:
            return is_utf8(std::as_bytes(std::span(body)));
        case returned::kBytes:
            return true;
        case returned::kPickle:
            return is_pickle(body);
        case returned::kApart: {
            const auto apart = decode_apart(payload);
            if (!apart) {
                return false;
            }
            const bool whole = apart->count == 1 && apart->rest.empty();
            return apart->form == returned::kPickle
                       ? apart->rest.empty() || is_pickle(apart->rest)
                       : whole && (apart->form == returned::kText || apart->form == returned::kBytes);
        }
        default:
            return false;
    }
}

// Whether a correct child can have written `first` into the first extent of `value`.
[[nodiscard]] inline bool is_returned_apart(const ApartValue& value, std::string_view first) noexcept {
    switch (value.form) {
        case returned::kText:
            return is_utf8(std::as_bytes(std::span(first)));
        case returned::kPickle:
            return !value.rest.empty() || is_pickle(first);
        default:
            return true;
    }
}

}  // namespace callring
