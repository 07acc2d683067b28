// StartBody: the body of a start request; control/message.h lists the descriptors of this request.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "common/result.h"

namespace callring {

// The context from which a child derives descriptors, and its resources.
struct StartBody {
    std::string platform;
    std::string runtime;
    std::uint32_t cores = 0;          // 0: the architecture's default
    std::uint32_t max_callables = 0;  // slots of the child's table
    std::uint32_t place = 0;          // in the audience of notices
    std::uint64_t next_notice = 0;    // the number of the first notice that can address it

    // Six lines; the names contain no line feed (the process that creates the Worker validates them).
    [[nodiscard]] std::string encode() const {
        return platform + '\n' + runtime + '\n' + std::to_string(cores) + '\n' + std::to_string(max_callables) + '\n' +
               std::to_string(place) + '\n' + std::to_string(next_notice);
    }

    static Result<StartBody> decode(std::string_view text) {
        std::array<std::string_view, 6> lines;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const std::size_t end = text.find('\n');
            if ((end == std::string_view::npos) != (i + 1 == lines.size())) {
                return Error{Code::malformed, "start request has a malformed body"};
            }
            lines.at(i) = text.substr(0, end);
            text.remove_prefix(std::min(text.size(), lines.at(i).size() + 1));
        }
        StartBody body{std::string(lines[0]), std::string(lines[1])};
        if (!read_number(lines[2], body.cores) || !read_number(lines[3], body.max_callables) ||
            !read_number(lines[4], body.place) || !read_number(lines[5], body.next_notice)) {
            return Error{Code::malformed, "start request has a malformed body"};
        }
        return body;
    }

private:
    template <class Number>
    static bool read_number(std::string_view text, Number& value) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return error == std::errc() && end == text.data() + text.size();
    }
};

}  // namespace callring
