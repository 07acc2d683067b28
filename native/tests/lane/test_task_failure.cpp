// How a child reports the failure of a task.
#include <doctest/doctest.h>

#include <string>

#include "lane/task_failure.h"

using namespace callring;

TEST_CASE("a kernel's failure is read as it was written, with any bytes in its message") {
    const std::string message = std::string("first\nsecond\0third", 18);
    const std::string bytes = encode_kernel_failure({-7, 3, "add\none", message});
    const auto failure = decode_kernel_failure(bytes);
    REQUIRE(failure);
    CHECK(failure->code == -7);
    CHECK(failure->block == 3);
    CHECK(failure->kernel == "add\none");
    CHECK(failure->message == message);
}

TEST_CASE("the message of a kernel's failure may be cut short, and no field before it") {
    const std::string bytes = encode_kernel_failure({1, 0, "add", "message"});
    const std::size_t head = bytes.size() - 7;
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
        const auto failure = decode_kernel_failure(std::string_view(bytes).substr(0, length));
        CHECK(failure.has_value() == (length >= head));
        if (failure) {
            CHECK(failure->message == std::string_view("message").substr(0, length - head));
        }
    }
}

TEST_CASE("a packed exception is four parts to its last byte") {
    const auto part = [](std::string_view text) {
        const auto length = static_cast<std::uint32_t>(text.size());
        return std::string(reinterpret_cast<const char*>(&length), sizeof length).append(text);
    };
    const std::string whole = part("pickle") + part("ValueError") + part("") + part("traceback");
    CHECK(is_packed_exception(whole));
    CHECK_FALSE(is_packed_exception(whole + "x"));
    CHECK_FALSE(is_packed_exception(part("pickle") + part("ValueError") + part("")));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CHECK_FALSE(is_packed_exception(std::string_view(whole).substr(0, length)));
    }
}
