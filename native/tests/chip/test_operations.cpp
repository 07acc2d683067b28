// What an orchestration function can ask of the chip: each operation of callring_chip_ops.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "chip/platform.h"
#include "tests/chip/chip_fixture.h"
#include "tests/chip/kernels/ops_entry.h"

using namespace callring;
using namespace callring::test;

namespace {

class Operations {
public:
    explicit Operations(std::uint32_t cores = 2) : chip_(std::move(chip::open_chip("a2a3sim", {cores})).value()) {
        chip::BlobParts parts{"ops_entry",
                              {Direction::inout, Direction::scalar},
                              read_file(KERNEL_OPS),
                              {{0, "fill", "aiv", {Direction::out, Direction::scalar}, read_file(KERNEL_FILL)},
                               {1, "failing", "aiv", {Direction::scalar}, read_file(KERNEL_FAILING)}}};
        auto prepared = chip_->prepare(blob_of(std::move(parts)));
        REQUIRE(prepared.ok());
        entry_ = std::move(prepared).value();
    }

    std::optional<chip::Failure> run(Use use, std::uint32_t blocks = 0) {
        out.fill(-1);
        callring_tensor tensor{};
        tensor.data = out.data();
        tensor.dtype = CALLRING_FLOAT64;
        tensor.rank = 1;
        tensor.shape[0] = static_cast<std::int64_t>(out.size());
        tensor.strides[0] = 1;
        const auto scalar = static_cast<std::uint64_t>(use);
        const callring_args args{&tensor, &scalar, 1, 1};
        return chip_->execute(*entry_, args, {blocks}, nullptr);
    }

    std::array<double, 1000> out{};

private:
    std::unique_ptr<chip::Chip> chip_;
    std::unique_ptr<chip::Prepared> entry_;
};

}  // namespace

TEST_CASE("a launch that the chip refuses fails the call, also if the orchestration function ignores that") {
    Operations operations;
    const std::array<std::pair<Use, const char*>, 4> refused{
        {{Use::launch_unknown_and_go_on, "launch of func_id 99, which the callable does not have"},
         {Use::launch_without_arguments_and_go_on,
          "launch of kernel fill, which takes 1 tensors and 1 scalars, was given 0 and 0"},
         {Use::launch_rank_9, "launch of kernel fill, whose tensor 0 has rank 9; the most is 8"},
         {Use::launch_unknown_dtype, "launch of kernel fill, whose tensor 0 has the unknown dtype 13"}}};
    for (const auto& [use, message] : refused) {
        const auto failure = operations.run(use);
        REQUIRE(failure);
        CHECK(failure->code == chip::kRefusedByChip);
        CHECK(failure->kernel.empty());
        CHECK(failure->message == message);
        CHECK(operations.out[0] == chip::kRefusedByChip);  // the operation returned it, too
    }
    CHECK_FALSE(operations.run(Use::describe));  // the next call is not affected
}

TEST_CASE("allocated memory is aligned, zeroed and apart, and more than there is gives none") {
    Operations operations;
    for (int round = 0; round < 3; ++round) {
        CHECK_FALSE(operations.run(Use::allocate));
        CHECK(operations.out[0] == 1);
        CHECK(operations.out[1] == 1);
        CHECK(operations.out[2] == 1);
    }
}

TEST_CASE("an orchestration function can ask for the version, the configured blocks and the cores") {
    Operations operations(3);
    CHECK_FALSE(operations.run(Use::describe, 17));
    CHECK(operations.out[0] == CALLRING_CHIP_ABI_VERSION);
    CHECK(operations.out[1] == 17);
    CHECK(operations.out[2] == 3);
    CHECK_FALSE(operations.run(Use::describe));
    CHECK(operations.out[1] == 0);
}

TEST_CASE("a barrier returns the code of a kernel that failed, each time, and the call fails with it in any case") {
    Operations operations;
    const auto failure = operations.run(Use::ignore_failed_kernel);
    CHECK(operations.out[0] == 0);  // the launch itself
    CHECK(operations.out[1] == 7);
    CHECK(operations.out[2] == 7);
    REQUIRE(failure);
    CHECK(failure->code == 7);
    CHECK(failure->kernel == "failing");
    CHECK(failure->block == 2);
}

TEST_CASE("a failed kernel explains more than the orchestration function's own code") {
    Operations operations;
    const auto failure = operations.run(Use::fail_after_failed_kernel);
    REQUIRE(failure);
    CHECK(failure->code == 7);
    CHECK(failure->kernel == "failing");
}

TEST_CASE("a call fails with the code that the orchestration function returns, and its first message") {
    Operations operations;
    const auto failure = operations.run(Use::fail_twice);
    REQUIRE(failure);
    CHECK(failure->code == 4);
    CHECK(failure->message == "first");
    const auto silent = operations.run(Use::fail_without_message);
    REQUIRE(silent);
    CHECK(silent->code == -7);
    CHECK(silent->message.empty());
}

TEST_CASE(
    "launches run to their end, with copied arguments and their memory, after the orchestration function returned") {
    for (const std::uint32_t cores : {1U, 3U}) {
        Operations operations(cores);
        for (int round = 0; round < 20; ++round) {
            CHECK_FALSE(operations.run(Use::launch_and_return));
            CHECK(std::all_of(operations.out.begin(), operations.out.end(), [](double value) { return value == 8; }));
        }
    }
}

TEST_CASE("a log message is one line with its level") {
    Operations operations;
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const int before = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    const auto failure = operations.run(Use::log);
    ::dup2(before, STDERR_FILENO);
    ::close(before);
    ::close(ends[1]);
    std::array<char, 200> text{};
    const ssize_t size = ::read(ends[0], text.data(), text.size());
    ::close(ends[0]);
    CHECK_FALSE(failure);
    REQUIRE(size > 0);
    CHECK(std::string(text.data(), static_cast<std::size_t>(size)) ==
          "[chip] debug: zero\n[chip] warning: two\n[chip] error: more\n");
}
