// check_arguments(): the signature's numbers of arguments, and no bytes that are written through two tensors.
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "task/argument_check.h"
#include "tests/task/tensors.h"

using namespace callring;
using namespace callring::test;

namespace {

Callable chip_callable(std::size_t tensors, std::size_t scalars) {
    Callable callable;
    callable.spec.signature = CallableSpec::Signature{tensors, scalars, "(OUT, SCALAR)"};
    return callable;
}

Callable python_callable() {
    Callable callable;
    callable.spec.runs_on = ChildKind::sub;
    return callable;
}

bool is_accepted(std::vector<TensorArg> tensors, const Callable& callable = python_callable(),
                 std::int32_t placement = kAnyChild) {
    return check_arguments(callable, *args_of(std::move(tensors)), placement).ok();
}

}  // namespace

TEST_CASE("a callable with a signature takes as many tensors and scalars as the signature has") {
    const Callable callable = chip_callable(1, 1);
    const TensorArg tensor{view_of(make_buffer()), Tag::output};
    CHECK(check_arguments(callable, *args_of({tensor}, {1}), 0).ok());
    for (const auto& wrong : {args_of({}, {1}), args_of({tensor}), args_of({tensor}, {1, 2}),
                              args_of({tensor, {view_of(make_buffer()), Tag::input}}, {1})}) {
        const auto refused = check_arguments(callable, *wrong, 0);
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.error().code == Code::invalid_argument);
        CHECK(refused.error().message.find("(OUT, SCALAR) takes 1 tensor and 1 scalar;") != std::string::npos);
    }
    CHECK(check_arguments(callable, *args_of({tensor}), 0).error().message.find("given 1 tensor and 0 scalars") !=
          std::string::npos);
}

TEST_CASE(
    "two tensors that write the same bytes are refused by their numbers, and one that reads bytes of another is not") {
    const auto buffer = make_buffer();
    for (const Tag tag : {Tag::output, Tag::inout, Tag::output_existing}) {
        CAPTURE(static_cast<int>(tag));
        const auto refused = check_arguments(python_callable(),
                                             *args_of({{view_of(buffer, 0, 8), Tag::output},
                                                       {view_of(make_buffer()), Tag::output},
                                                       {view_of(buffer, 7, 4), tag}}),
                                             kAnyChild);
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.error().message.find("its tensors 0 and 2") != std::string::npos);
    }
    for (const Tag tag : {Tag::input, Tag::no_dep}) {
        CHECK(is_accepted({{view_of(buffer, 0, 8), Tag::output}, {view_of(buffer, 7, 4), tag}}));
    }
    CHECK(is_accepted({{view_of(buffer, 0, 8), Tag::output}, {view_of(buffer, 8, 8), Tag::output}}));
    CHECK(is_accepted({{view_of(buffer), Tag::output}, {view_of(make_buffer()), Tag::output}}));
}

TEST_CASE("views whose hulls overlap, but whose bytes do not, are accepted") {
    const auto buffer = make_buffer();
    CHECK(is_accepted({{view_of(buffer, 0, 8, 2), Tag::output}, {view_of(buffer, 1, 8, 2), Tag::output}}));
    CHECK_FALSE(is_accepted({{view_of(buffer, 0, 8, 2), Tag::output}, {view_of(buffer, 4, 2, 1), Tag::output}}));
    CHECK(is_accepted({{view_of(buffer, 0, 8, 2), Tag::output}, {view_of(buffer, 2, 0), Tag::output}}));
    // Backwards from its last element.
    CHECK_FALSE(is_accepted({{view_of(buffer, 15, 16, -1), Tag::output}, {view_of(buffer, 0, 1), Tag::output}}));
}

TEST_CASE("a node's arguments are not checked: the arguments of the tasks that it submits are") {
    const auto buffer = make_buffer();
    const std::vector<TensorArg> twice{{view_of(buffer), Tag::output}, {view_of(buffer), Tag::output}};
    CHECK(is_accepted(twice, python_callable(), 0));
    CHECK_FALSE(is_accepted(twice, python_callable(), kAnyChild));
    CHECK_FALSE(is_accepted(twice, chip_callable(2, 0), 0));
}

TEST_CASE("for random views a task is refused exactly if an element is written through two of its tensors") {
    for (std::uint32_t seed = 0; seed < 3000; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        const std::vector buffers{make_buffer(), make_buffer()};
        std::vector<TensorArg> tensors;
        std::set<std::pair<std::size_t, std::int64_t>> written;
        bool twice = false;
        const std::size_t count =
            seed % 10 == 0 ? 17 + (random() % 5) : random() % 5;  // at times more tensors than are compared in pairs
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t buffer = random() % 2;
            const std::int64_t stride = seed % 10 == 0 ? 1 : 1 + static_cast<std::int64_t>(random() % 3);
            const std::int64_t from = static_cast<std::int64_t>(random() % 16);
            const auto most = static_cast<std::uint32_t>(((15 - from) / stride) + 2);
            const auto length = static_cast<std::int64_t>(random() % (seed % 10 == 0 ? 2 : most));
            const auto tag = static_cast<Tag>(random() % 5);
            tensors.push_back({view_of(buffers[buffer], static_cast<std::uint64_t>(from), length, stride), tag});
            for (std::int64_t k = 0; k < length && tag != Tag::input && tag != Tag::no_dep; ++k) {
                twice = !written.emplace(buffer, from + (k * stride)).second || twice;
            }
        }
        CHECK(is_accepted(tensors) == !twice);
    }
}
