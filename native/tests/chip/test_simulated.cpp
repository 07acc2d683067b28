#include <algorithm>
#include <thread>

#include "chip/platform.h"
#include "tests/chip/chip_fixture.h"

using namespace callring;
using namespace callring::test;

namespace {

struct Machine {
    explicit Machine(std::uint32_t cores) : chip(std::move(chip::open_chip("a2a3sim", {cores})).value()) {}

    std::unique_ptr<chip::Prepared> prepare(chip::BlobParts parts) const {
        auto prepared = chip->prepare(blob_of(std::move(parts)));
        REQUIRE(prepared.ok());
        return std::move(prepared).value();
    }
    std::optional<chip::Failure> run(chip::Prepared& prepared, std::vector<double>& data, std::uint64_t scalar,
                                     std::uint32_t blocks = 0, std::vector<chip::CoreSpan>* spans = nullptr) const {
        callring_tensor tensor{};
        tensor.data = data.data();
        tensor.dtype = CALLRING_FLOAT64;
        tensor.rank = 1;
        tensor.shape[0] = static_cast<std::int64_t>(data.size());
        tensor.strides[0] = 1;
        const callring_args args{&tensor, &scalar, 1, 1};
        return chip->execute(prepared, args, {blocks}, spans);
    }

    std::unique_ptr<chip::Chip> chip;
};

}  // namespace

TEST_CASE("a single kernel runs as blocks over the cores without an orchestration function") {
    for (const std::uint32_t cores : {1U, 3U}) {
        for (const std::uint32_t blocks : {0U, 1U, 7U}) {
            const Machine machine(cores);
            auto fill = machine.prepare(fill_parts());
            std::vector<double> data(1000, 0.0);
            CHECK_FALSE(machine.run(*fill, data, std::bit_cast<std::uint64_t>(2.5), blocks));
            CHECK(std::all_of(data.begin(), data.end(), [](double value) { return value == 2.5; }));
        }
    }
}

TEST_CASE("launches of one call are ordered by the bytes they touch") {
    const Machine machine(4);
    auto entry = machine.prepare(entry_parts());
    for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<double> data(100, 1.0);
        CHECK_FALSE(machine.run(*entry, data, 20));
        CHECK(std::all_of(data.begin(), data.end(), [](double value) { return value == 21.0; }));
    }
}

TEST_CASE("a block that fails is named with kernel, code and index") {
    const Machine machine(2);
    const Signature signature{Direction::scalar};
    auto failing =
        machine.prepare({"failing", signature, {}, {{0, "failing", "aiv", signature, read_file(KERNEL_FAILING)}}});
    const std::uint64_t block = 3;
    const callring_args args{nullptr, &block, 0, 1};
    const auto failure = machine.chip->execute(*failing, args, {8}, nullptr);
    REQUIRE(failure);
    CHECK(failure->code == 7);
    CHECK(failure->kernel == "failing");
    CHECK(failure->block == 3);
    CHECK_FALSE(machine.chip->execute(*failing, args, {2}, nullptr));
}

TEST_CASE("a failed orchestration function gives its own message") {
    const Machine machine(2);
    auto entry = machine.prepare(entry_parts());
    std::vector<double> data(4);
    const auto failure = machine.run(*entry, data, static_cast<std::uint64_t>(-1));
    REQUIRE(failure);
    CHECK(failure->code == 3);
    CHECK(failure->kernel.empty());
    CHECK(failure->message == "count is negative");
    CHECK(machine.run(*entry, data, 1000)->message.find("func_id 99") != std::string::npos);
}

TEST_CASE("arguments that contradict the signature are refused before anything runs") {
    const Machine machine(1);
    auto fill = machine.prepare(fill_parts());
    const callring_args none{nullptr, nullptr, 0, 0};
    const auto failure = machine.chip->execute(*fill, none, {}, nullptr);
    REQUIRE(failure);
    CHECK(failure->code == chip::kRefusedByChip);
    CHECK(failure->message.find("takes 1 tensors and 1 scalars") != std::string::npos);
}

TEST_CASE("a traced call records what each core did") {
    const Machine machine(2);
    auto entry = machine.prepare(entry_parts());
    std::vector<double> data(100, 0.0);
    std::vector<chip::CoreSpan> spans;
    CHECK_FALSE(machine.run(*entry, data, 5, 0, &spans));
    CHECK(spans.size() >= 6);
    for (const chip::CoreSpan& span : spans) {
        CHECK(span.core < 2);
        CHECK(span.begin_ns <= span.end_ns);
    }
}

TEST_CASE("a binary without the entry, or that declares another signature, is not prepared") {
    const Machine machine(1);
    auto renamed = fill_parts();
    renamed.entry = renamed.kernels[0].name = "other";
    CHECK(machine.chip->prepare(blob_of(renamed)).error().message.find("other") != std::string::npos);
    auto contradicting = fill_parts();
    contradicting.signature[0] = contradicting.kernels[0].signature[0] = Direction::in;
    const auto error = machine.chip->prepare(blob_of(contradicting)).error();
    CHECK(error.code == Code::prepare_failed);
    CHECK(error.message.find("[out, scalar]") != std::string::npos);
    auto junk = fill_parts();
    junk.kernels[0].binary.assign(100, std::byte{1});
    CHECK(machine.chip->prepare(blob_of(junk)).error().code == Code::prepare_failed);
}

TEST_CASE("a binary is never mistaken for one that was loaded before") {
    const Machine machine(1);
    for (int repeat = 0; repeat < 20; ++repeat) {
        auto fill = machine.prepare(fill_parts());
        std::vector<double> data(10, 1.0);
        CHECK_FALSE(machine.run(*fill, data, std::bit_cast<std::uint64_t>(4.0)));
        CHECK(data[9] == 4.0);
        fill.reset();
        auto entry = machine.prepare(entry_parts());
        CHECK_FALSE(machine.run(*entry, data, 1));
        CHECK(data[9] == 5.0);
    }
}

TEST_CASE("callables are prepared on one thread while another executes") {
    const Machine machine(2);
    auto entry = machine.prepare(entry_parts());
    std::thread registering([&] {
        for (int i = 0; i < 20; ++i) {
            static_cast<void>(machine.chip->prepare(blob_of(fill_parts())));
        }
    });
    for (int i = 0; i < 50; ++i) {
        std::vector<double> data(64, 0.0);
        CHECK_FALSE(machine.run(*entry, data, 3));
    }
    registering.join();
}
