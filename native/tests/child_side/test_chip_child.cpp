// The chip program: real processes, with a parent that this test plays.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/system_calls.h"
#include "control/payload.h"
#include "control/start_body.h"
#include "identity/descriptor.h"
#include "lane/bell.h"
#include "lane/frame.h"
#include "lane/parent_lane.h"
#include "lane/task_failure.h"
#include "memory/pool.h"
#include "processes/process.h"
#include "tests/chip/chip_fixture.h"

using namespace callring;
using namespace callring::test;

namespace {

struct KernelCallable {
    std::vector<std::byte> blob;
    Digest digest{};

    KernelCallable(const char* name, const char* path, const Signature& signature)
        : blob(blob_of({name, signature, {}, {{0, name, "aiv", signature, read_file(path)}}})),
          digest(descriptor_digest(*chip_callable_descriptor("a2a3sim", "test", blob, signature))) {}
};

const KernelCallable& fill() {
    static const KernelCallable made("fill", KERNEL_FILL, {Direction::out, Direction::scalar});
    return made;
}
const KernelCallable& failing() {
    static const KernelCallable made("failing", KERNEL_FAILING, {Direction::scalar});
    return made;
}
const KernelCallable& crash() {
    static const KernelCallable made("crash", KERNEL_CRASH, {Direction::scalar, Direction::scalar});
    return made;
}
const KernelCallable& hold() {
    static const KernelCallable made("hold", KERNEL_HOLD, {Direction::inout});
    return made;
}

// How a frame has ended.
struct Ended {
    Code code;
    std::vector<std::byte> payload;
    [[nodiscard]] std::string text() const { return {reinterpret_cast<const char*>(payload.data()), payload.size()}; }
};

class ChipProcess {
public:
    explicit ChipProcess(std::vector<std::string> argv = {CHIP_PROGRAM, std::to_string(::getpid())}) {
        auto ends = std::move(Channel::pair()).value();
        channel = std::move(ends.first);
        process = std::move(Process::spawn(argv, {}, ends.second.fd())).value();
    }
    ChipProcess(const ChipProcess&) = delete;
    ChipProcess& operator=(const ChipProcess&) = delete;
    ~ChipProcess() { process->end(); }

    // Sends the start request; the chip is ready if the answer's code is ok.
    Message start(const StartBody& body = {"a2a3sim", "test", 2, 4, 0, 0}) {
        const std::array<int, 3> fds{lane->fd(), bell->fd(), bell->event_fd()};
        return ask(header_of(Op::start), body.encode(), fds);
    }
    static std::unique_ptr<ChipProcess> started() {
        auto made = std::make_unique<ChipProcess>();
        REQUIRE(made->start().code() == Code::ok);
        const std::array<int, 1> fds{made->pool->arenas().at(0)->fd()};
        REQUIRE(made->ask(header_of(Op::map_arena, 0), {}, fds).code() == Code::ok);
        return made;
    }
    Message ask(MessageHeader header, std::string_view body = {}, std::span<const int> fds = {}) {
        header.sequence = ++sequence_;
        REQUIRE(channel.send(header, body, fds, UINT64_MAX).ok());
        auto answer = channel.receive(std::nullopt);
        REQUIRE(answer.ok());
        CHECK(answer->header.sequence == sequence_);
        return std::move(answer).value();
    }
    Code install(const KernelCallable& callable) {
        MessageHeader header = header_of(Op::register_callable);
        header.kind = static_cast<std::uint32_t>(CallableKind::chip_callable);
        header.digest = callable.digest;
        const auto payload = std::move(Payload::create(callable.blob)).value();
        return ask(header, payload.body(), payload.fds()).code();
    }
    Code remove(const KernelCallable& callable) {
        MessageHeader header = header_of(Op::unregister_callable);
        header.digest = callable.digest;
        return ask(header).code();
    }

    void push(const KernelCallable& callable, std::vector<TensorArg> tensors, std::vector<std::uint64_t> scalars,
              FrameConfig config = {}) {
        TaskArgs args;
        args.tensors = std::move(tensors);
        args.scalars = std::move(scalars);
        Frame& frame = lane->reserve();
        frame.config = config;
        frame.digest = callable.digest;
        encode_arguments(args, frame.arguments);
        lane->publish();
        lane->wake();
    }
    Ended next() {
        const Completion* completion = lane->front_completion();
        for (; completion == nullptr; completion = lane->front_completion()) {
            REQUIRE_FALSE(has_ended());
            std::this_thread::yield();
        }
        const auto outcome = decode_completion(*completion, completion->sequence);
        REQUIRE(outcome.has_value());
        const auto payload = outcome->payload_in_results ? *lane->result(outcome->payload) : outcome->payload;
        Ended ended{outcome->code, {payload.begin(), payload.end()}};
        lane->pop_completion();
        return ended;
    }
    [[nodiscard]] bool has_ended() const {
        pollfd ended{process->pidfd(), POLLIN, 0};
        return ::poll(&ended, 1, 0) == 1;
    }
    [[nodiscard]] ExitStatus wait() const {
        pollfd ended{process->pidfd(), POLLIN, 0};
        REQUIRE(::poll(&ended, 1, -1) == 1);
        return *process->try_reap();
    }

    // A vector of float64 in shared memory, zeroed.
    [[nodiscard]] TensorView vector(std::int64_t size) const {
        TensorView view;
        view.buffer = std::move(pool->allocate(static_cast<std::uint64_t>(size) * 8)).value();
        std::memset(view.buffer->data(), 0, view.buffer->size());
        view.offset = view.buffer->offset();
        view.dtype = CALLRING_FLOAT64;
        view.rank = 1;
        view.shape[0] = size;
        view.strides[0] = 1;
        return view;
    }

    std::unique_ptr<ParentBell> bell = std::move(ParentBell::create()).value();
    std::unique_ptr<ParentLane> lane = std::move(ParentLane::create(8, 64)).value();
    std::shared_ptr<MemoryPool> pool = [] {
        auto made = std::make_shared<MemoryPool>(1U << 20U, 1U << 20U);
        static_cast<void>(made->allocate(8));  // makes the arena
        return made;
    }();
    Channel channel;
    std::shared_ptr<const Process> process;

private:
    std::uint64_t sequence_ = 0;
};

std::uint64_t bits(double value) {
    return std::bit_cast<std::uint64_t>(value);
}

// Holds its chip in a task until it is released.
struct Held {
    explicit Held(ChipProcess& chip) : words(chip.vector(2)) {
        REQUIRE(chip.install(hold()) == Code::ok);
        chip.push(hold(), {{words, Tag::inout}}, {});
        while (std::atomic_ref(word(0)).load() == 0) {
            std::this_thread::yield();
        }
    }
    void release() { std::atomic_ref(word(1)).store(1); }
    std::int64_t& word(std::size_t i) { return reinterpret_cast<std::int64_t*>(words.data())[i]; }

    TensorView words;
};

}  // namespace

TEST_CASE("a chip executes the frames of an installed callable, with the tensors and scalars of each") {
    const auto chip = ChipProcess::started();
    REQUIRE(chip->install(fill()) == Code::ok);
    const TensorView view = chip->vector(100);
    for (int round = 1; round <= 20; ++round) {
        chip->push(fill(), {{view, Tag::output}}, {bits(round)});
        CHECK(chip->next().code == Code::ok);
        const auto* const values = reinterpret_cast<const double*>(view.data());
        CHECK(std::all_of(values, values + 100, [&](double value) { return value == round; }));
    }
}

TEST_CASE("a callable that is not installed, or was removed, fails its task, and the chip goes on") {
    const auto chip = ChipProcess::started();
    const TensorView view = chip->vector(4);
    const auto run = [&] {
        chip->push(fill(), {{view, Tag::output}}, {bits(1)});
        return chip->next();
    };
    CHECK(run().code == Code::not_installed);
    CHECK(chip->install(fill()) == Code::ok);
    CHECK(run().code == Code::ok);
    CHECK(chip->remove(fill()) == Code::ok);
    const Ended removed = run();
    CHECK(removed.code == Code::not_installed);
    CHECK(removed.text() == "its digest is not installed in this child");
    CHECK(chip->remove(fill()) == Code::not_installed);
    CHECK(chip->install(fill()) == Code::ok);
    CHECK(run().code == Code::ok);
}

TEST_CASE("a kernel's failure has its code, block and name, and the frames that follow it are skipped") {
    const auto chip = ChipProcess::started();
    REQUIRE(chip->install(failing()) == Code::ok);
    FrameConfig config{};
    config.block_count = 6;
    chip->push(failing(), {}, {5}, config);
    config.predecessors[0] = 1;
    chip->push(failing(), {}, {99}, config);
    chip->push(failing(), {}, {99}, config);  // follows the skipped one
    config.predecessors[0] = 0;
    chip->push(failing(), {}, {99}, config);
    const Ended failed = chip->next();
    CHECK(failed.code == Code::kernel_failed);
    const std::string text = failed.text();
    const auto failure = decode_kernel_failure(text);
    REQUIRE(failure.has_value());
    CHECK(failure->code == 7);
    CHECK(failure->block == 5);
    CHECK(failure->kernel == "failing");
    CHECK(chip->next().code == Code::skipped);
    CHECK(chip->next().code == Code::skipped);
    CHECK(chip->next().code == Code::ok);
}

TEST_CASE("arguments that do not decode, or contradict the signature, fail their task only") {
    const auto chip = ChipProcess::started();
    REQUIRE(chip->install(fill()) == Code::ok);
    const TensorView view = chip->vector(4);
    chip->push(fill(), {}, {bits(1)});
    const Ended contradicting = chip->next();
    CHECK(contradicting.code == Code::kernel_failed);
    const std::string text = contradicting.text();
    CHECK(decode_kernel_failure(text)->message.find("takes 1 tensors and 1 scalars") != std::string::npos);
    Frame& frame = chip->lane->reserve();
    frame.config = {};
    frame.digest = fill().digest;
    frame.arguments.fill(std::byte{0xFF});
    chip->lane->publish();
    chip->lane->wake();
    CHECK(chip->next().code == Code::malformed);
    TensorView outside = view;
    outside.shape[0] = INT64_C(1) << 40U;
    chip->push(fill(), {{outside, Tag::output}}, {bits(1)});
    CHECK(chip->next().code == Code::malformed);
    chip->push(fill(), {{view, Tag::output}}, {bits(3)});
    CHECK(chip->next().code == Code::ok);
}

TEST_CASE("the spans of a traced task are posted before its completion, within the time of the task") {
    const auto chip = ChipProcess::started();
    REQUIRE(chip->install(fill()) == Code::ok);
    FrameConfig config{};
    config.flags = kFrameTraced | kFrameCores;
    config.block_count = 2;
    chip->push(fill(), {{chip->vector(4), Tag::output}}, {bits(1)}, config);
    while (chip->lane->front_completion() == nullptr) {
        REQUIRE_FALSE(chip->has_ended());
        std::this_thread::yield();
    }
    const Completion completion = *chip->lane->front_completion();
    CHECK(completion.begin_ns > 0);
    int spans = 0;
    for (auto span = chip->lane->take_span(0); span; span = chip->lane->take_span(0), ++spans) {
        CHECK(span->sequence == 0);
        CHECK(span->core < 2);
        CHECK(span->func_id == 0);
        CHECK(span->begin_ns >= completion.begin_ns);
        CHECK(span->end_ns <= completion.end_ns);
    }
    CHECK(spans > 0);
    chip->lane->pop_completion();
    chip->push(fill(), {{chip->vector(4), Tag::output}}, {bits(1)});
    CHECK(chip->next().code == Code::ok);
    CHECK_FALSE(chip->lane->take_span(1).has_value());
}

TEST_CASE("requests are answered while a task executes") {
    const auto chip = ChipProcess::started();
    Held held(*chip);
    CHECK(chip->install(fill()) == Code::ok);
    CHECK(chip->remove(fill()) == Code::ok);
    CHECK(chip->remove(hold()) == Code::ok);  // its code stays until the task has ended
    CHECK_FALSE(chip->lane->has_completions());
    held.release();
    CHECK(chip->next().code == Code::ok);
}

TEST_CASE("the end of the parent's socket ends a chip at once, idle or in the middle of a task") {
    for (const bool busy : {false, true}) {
        const auto chip = ChipProcess::started();
        if (busy) {
            const Held held(*chip);
        }
        chip->channel.close();
        const ExitStatus status = chip->wait();
        CHECK((status.known && status.exit_code == 0 && status.signal == 0));
    }
}

TEST_CASE("a chip that is asked to end finishes its task, and ends") {
    const auto chip = ChipProcess::started();
    Held held(*chip);
    REQUIRE(chip->channel.send(header_of(Op::shutdown), {}, {}, UINT64_MAX).ok());
    held.release();
    const ExitStatus status = chip->wait();
    CHECK((status.known && status.exit_code == 0));
    CHECK(chip->lane->has_completions());
}

TEST_CASE("a crash is noted in the lane, with its kernel and block") {
    for (const int signal : {SIGABRT, SIGTRAP}) {
        CAPTURE(signal);
        const auto chip = ChipProcess::started();
        REQUIRE(chip->install(crash()) == Code::ok);
        FrameConfig config{};
        config.block_count = 5;
        chip->push(crash(), {}, {static_cast<std::uint64_t>(signal), 3}, config);
        CHECK(chip->wait().signal == signal);
        CHECK_FALSE(chip->lane->has_completions());
        CHECK(chip->lane->claimed(0));
        CHECK(chip->lane->intact());
        const auto crashed = chip->lane->crashed_in();
        REQUIRE(crashed.has_value());
        CHECK(crashed->kernel == "crash");
        CHECK(crashed->block == 3);
    }
}

TEST_CASE("a chip that is killed from outside has no note, and ignores what a terminal sends to all processes") {
    const auto chip = ChipProcess::started();
    chip->process->kill(SIGINT);
    chip->process->kill(SIGTTOU);
    Held held(*chip);
    chip->process->kill(SIGINT);
    held.release();
    CHECK(chip->next().code == Code::ok);
    chip->process->kill(SIGABRT);
    CHECK(chip->wait().signal == SIGABRT);
    CHECK_FALSE(chip->lane->crashed_in().has_value());
}

TEST_CASE("a chip that cannot be opened tells its parent why, and ends with status 1") {
    for (const auto& [platform, reason] : {std::pair("a7", "unknown platform 'a7'"), std::pair("a2a3", "CANN")}) {
        ChipProcess chip;
        const Message answer = chip.start({platform, "test", 1, 4, 0, 0});
        CHECK(answer.code() == Code::invalid_argument);
        CHECK(answer.body.find(reason) != std::string::npos);
        CHECK(chip.wait().exit_code == 1);
    }
    ChipProcess silent;
    silent.channel.close();
    CHECK(silent.wait().exit_code == 1);
}

TEST_CASE("a chip that receives bytes that are no message ends with status 1") {
    const auto chip = ChipProcess::started();
    REQUIRE(::send(chip->channel.fd(), "junk", 4, 0) == 4);
    CHECK(chip->wait().exit_code == 1);
}

TEST_CASE("the chip program refuses to be started by hand, or by a process that has ended") {
    CHECK(ChipProcess({CHIP_PROGRAM, "1", "2"}).wait().exit_code == 2);
    CHECK(ChipProcess({CHIP_PROGRAM, "999999999"}).wait().exit_code == 1);
}

TEST_CASE("a chip refuses more callables than it has slots, and takes another after a removal") {
    auto chip = std::make_unique<ChipProcess>();
    REQUIRE(chip->start({"a2a3sim", "test", 1, 2, 0, 0}).code() == Code::ok);
    CHECK(chip->install(fill()) == Code::ok);
    CHECK(chip->install(failing()) == Code::ok);
    CHECK(chip->install(fill()) == Code::ok);  // it has it
    CHECK(chip->install(hold()) == Code::slot_exhausted);
    CHECK(chip->remove(failing()) == Code::ok);
    CHECK(chip->install(hold()) == Code::ok);
}
