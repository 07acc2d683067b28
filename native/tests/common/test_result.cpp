// Result: a value or an Error, and what a move leaves of each.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/child_end.h"
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

TEST_CASE("a copied error has the message and the child's end of the original, which it shares") {
    const auto end = std::make_shared<const ChildEnd>(ChildEnd{.child = "chip 3", .pid = 7});
    const Result<int> original = Error{Code::worker_lost, "it died", end};
    const Result<int> copy = original;
    CHECK(copy.error().message == "it died");
    REQUIRE(copy.error().child_end == end);
    CHECK(copy.error().child_end->child == "chip 3");
    const Result<void> narrower = copy.error();
    CHECK(narrower.error().child_end == end);
    CHECK(end.use_count() == 4);
}

TEST_CASE("a moved error takes its message along, and its result stays an error") {
    Result<std::vector<int>> result = Error{Code::io, std::string(100, 'x')};
    const Error taken = std::move(result).error();
    CHECK(taken.message.size() == 100);
    CHECK_FALSE(result.ok());
    CHECK(result.error().code == Code::io);
}

TEST_CASE("the value of a result can be changed in place, and be read where the result is constant") {
    Result<std::string> result = std::string("a");
    result->push_back('b');
    *result += 'c';
    result.value() += 'd';
    const Result<std::string>& constant = result;
    CHECK(*constant == "abcd");
    CHECK(constant->size() == 4);
    CHECK(constant.value().front() == 'a');
}

// The numbers travel between processes of one version, and are listed in the documentation: a changed one is a mistake.
TEST_CASE("every code has its number, each less than their count") {
    const std::vector<std::pair<Code, std::uint32_t>> numbers{
        {Code::ok, 0},
        {Code::invalid_argument, 1},
        {Code::io, 2},
        {Code::timeout, 3},
        {Code::closed, 4},
        {Code::malformed, 5},
        {Code::layout_mismatch, 6},
        {Code::hashid_format_invalid, 7},
        {Code::hashid_descriptor_mismatch, 8},
        {Code::kind_unsupported, 9},
        {Code::slot_exhausted, 10},
        {Code::not_installed, 11},
        {Code::prepare_failed, 12},
        {Code::out_of_memory, 13},
        {Code::kernel_failed, 14},
        {Code::python_exception, 15},
        {Code::worker_lost, 16},
        {Code::skipped, 17},
        {Code::cancelled, 18},
        {Code::back_pressure, 19},
        {Code::given_up, 20},
        {Code::handle_stale, 21},
        {Code::removal_active, 23},
        {Code::partial_failure, 24},
        {Code::task_timeout, 25},
        {Code::too_many_runs, 26},
        {Code::out_of_descriptors, 27},
    };
    for (const auto& [code, number] : numbers) {
        CHECK(static_cast<std::uint32_t>(code) == number);
        CHECK(number < kCodes);
    }
    CHECK(numbers.size() == kCodes - 1);  // 22 is unused
}
