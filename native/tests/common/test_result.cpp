// Result: a value or an Error, and what a move leaves of each.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "common/result.h"

using namespace callring;

TEST_CASE("a result is a value or an error, and reports which") {
    const Result<int> value = 7;
    CHECK(value.ok());
    CHECK(*value == 7);
    const Result<int> error = Error{Code::timeout, "chip 3 is silent"};
    CHECK_FALSE(error);
    CHECK(error.error().code == Code::timeout);
    CHECK(error.error().message == "chip 3 is silent");
}

TEST_CASE("a value that can only be moved leaves its result whole") {
    Result<std::unique_ptr<std::string>> result = std::make_unique<std::string>("value");
    CHECK(**result == "value");
    const std::unique_ptr<std::string> taken = std::move(result).value();
    CHECK(*taken == "value");
    CHECK(*result == nullptr);
    CHECK(result.ok());
}

TEST_CASE("a result whose value holds an error keeps value and error apart") {
    struct Holder {
        Error inner;
    };
    const Result<Holder> value = Holder{{Code::io, "inner"}};
    CHECK(value.ok());
    CHECK(value->inner.code == Code::io);
}

TEST_CASE("a result without a value is success unless it was made of an error, of any code") {
    CHECK(Result<void>().ok());
    Result<void> failed = Error{Code::ok, "said nothing"};
    CHECK_FALSE(failed.ok());
    CHECK(std::move(failed).error().message == "said nothing");
}

TEST_CASE("a result can be overwritten by one of the other kind") {
    Result<std::string> result = std::string(100, 'x');
    result = Error{Code::closed, "gone"};
    CHECK_FALSE(result.ok());
    result = std::string("again");
    CHECK(result.value() == "again");
}

TEST_CASE("codes have the numbers that are sent, each less than their count") {
    CHECK(static_cast<std::uint32_t>(Code::ok) == 0);
    CHECK(static_cast<std::uint32_t>(Code::worker_lost) == 16);
    CHECK(static_cast<std::uint32_t>(Code::cancelled) == 18);
    CHECK(static_cast<std::uint32_t>(Code::task_timeout) == 25);
    CHECK(static_cast<std::uint32_t>(Code::out_of_descriptors) == kCodes - 1);
}
