// What a Python callable returned, as bytes in a completion or a message: small values of exact built-in types without
// pickling. Nothing is None. Otherwise a letter, and what follows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/utf8.h"

namespace callring {

namespace returned {
inline constexpr char kTrue = 't';
inline constexpr char kFalse = 'f';
inline constexpr char kInteger = 'i';  // an int64
inline constexpr char kFloat = 'd';    // a double
inline constexpr char kText = 's';     // in UTF-8
inline constexpr char kBytes = 'b';
inline constexpr char kPickle = 'p';
}  // namespace returned

// Whether a child that returns values can have written this. What a pickle holds is not looked at.
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
        case returned::kPickle:  // from its first opcode to its last
            return body.size() > 2 && body.front() == '\x80' && body.back() == '.';
        default:
            return false;
    }
}

}  // namespace callring
