// An Engine with real chips: processes of callring-chip, which load the kernels of these tests.
#pragma once

#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "chip/blob.h"
#include "common/clock.h"
#include "engine/engine.h"
#include "identity/descriptor.h"
#include "tests/engine/patience.h"

namespace callring::test {

class EngineFixture {
public:
    explicit EngineFixture(std::uint32_t chips, EngineOptions options = {})
        : pool(std::make_shared<MemoryPool>(1U << 20U, 1U << 26U)) {
        options.platform = "a2a3sim";
        options.runtime = "test";
        options.cores_per_chip = options.cores_per_chip == 0 ? 1 : options.cores_per_chip;
        options.lane_capacity = 8;
        if (options.chip_program.empty()) {
            options.chip_program = {CHIP_PROGRAM, std::to_string(::getpid())};
        }
        engine = std::move(Engine::create(std::move(options), pool)).value();
        for (std::uint32_t i = 0; i < chips; ++i) {
            specs.push_back({ChildKind::chip, i, nullptr, 0});
        }
    }
    // Checks that no process is left and no task pending.
    ~EngineFixture() {
        const auto children = engine->children();
        engine->close(kLongNs);
        for (const ChildSnapshot& child : children) {
            CHECK((child.pid < 0 || ::kill(child.pid, 0) != 0));
        }
        CHECK(engine->stats().pending == 0);
    }
    EngineFixture(const EngineFixture&) = delete;
    EngineFixture& operator=(const EngineFixture&) = delete;

    Result<void> start() { return engine->start(specs, now_ns() + kLongNs); }

    static CallableSpec spec_of(const char* name, const char* path, const std::vector<Direction>& signature) {
        std::ifstream file(path, std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        REQUIRE_FALSE(text.empty());
        const auto binary = std::as_bytes(std::span(text));
        chip::BlobParts parts{name, signature, {}, {{0, name, "aiv", signature, {binary.begin(), binary.end()}}}};
        const auto blob = std::move(chip::build_blob(std::move(parts))).value();
        CallableSpec spec;
        spec.descriptor = std::move(chip_callable_descriptor("a2a3sim", "test", blob, signature)).value();
        spec.digest = descriptor_digest(spec.descriptor);
        spec.kind = static_cast<std::uint32_t>(CallableKind::chip_callable);
        spec.label = name;
        spec.payload = std::make_shared<const Payload>(std::move(Payload::create(blob)).value());
        const auto tensors = static_cast<std::size_t>(std::count_if(
            signature.begin(), signature.end(), [](Direction direction) { return direction != Direction::scalar; }));
        spec.signature = CallableSpec::Signature{tensors, signature.size() - tensors, name};
        return spec;
    }
    static CallableSpec hold() { return spec_of("hold", KERNEL_HOLD, {Direction::inout}); }
    static CallableSpec fill() { return spec_of("fill", KERNEL_FILL, {Direction::out, Direction::scalar}); }
    static CallableSpec failing() { return spec_of("failing", KERNEL_FAILING, {Direction::scalar}); }

    CallablePtr add(CallableSpec spec) {
        auto begun = engine->begin_register(std::move(spec));
        REQUIRE(begun.ok());
        CHECK(patiently([&] { return engine->wait_for_operation(*begun); }) == Waited::done);
        CHECK((*begun)->outcome() == Code::ok);
        return (*begun)->callable;
    }
    RunPtr begin_run() { return std::move(engine->begin_run({})).value(); }

    // A vector of float64.
    struct Vector {
        std::shared_ptr<Buffer> buffer;
        std::uint64_t size;
        [[nodiscard]] TensorArg as(Tag tag) const {
            TensorArg argument;
            argument.tensor.buffer = buffer;
            argument.tensor.offset = buffer->offset();
            argument.tensor.dtype = CALLRING_FLOAT64;
            argument.tensor.rank = 1;
            argument.tensor.shape[0] = static_cast<std::int64_t>(size);
            argument.tensor.strides[0] = 1;
            argument.tag = tag;
            return argument;
        }
        [[nodiscard]] double at(std::uint64_t i) const {
            double value = 0;
            std::memcpy(&value, buffer->data() + (i * sizeof value), sizeof value);
            return value;
        }
        [[nodiscard]] std::int64_t& word(std::uint64_t i) const {
            return reinterpret_cast<std::int64_t*>(buffer->data())[i];
        }
        // Waits until a task of the callable `hold` has begun.
        void await_begin() const {
            const std::atomic_ref<std::int64_t> begun(word(0));
            while (begun.load() == 0) {
                std::this_thread::yield();
            }
        }
        void release() const { std::atomic_ref<std::int64_t>(word(1)).store(1); }
    };
    [[nodiscard]] Vector vector(std::uint64_t size = 16) const {
        Vector made{std::move(pool->allocate(size * 8)).value(), size};
        std::memset(made.buffer->data(), 0, size * 8);
        return made;
    }

    static TaskPtr task(const CallablePtr& callable, std::vector<TensorArg> tensors,
                        std::vector<std::uint64_t> scalars = {}, std::int32_t chip = 0) {
        auto made = allocate_task();
        auto args = std::make_shared<TaskArgs>();
        args->tensors = std::move(tensors);
        args->scalars = std::move(scalars);
        made->callable = callable;
        made->args = std::move(args);
        made->placement = chip;
        return made;
    }
    TaskPtr submit(const RunPtr& run, const TaskPtr& made, const std::vector<TaskPtr>& after = {}) const {
        REQUIRE(engine->submit(run, made, after).ok());
        return made;
    }
    void finish(const RunPtr& run) const {
        engine->seal(run);
        CHECK(patiently([&] { return engine->wait_for_run(run, now_ns() + kLongNs); }) == Waited::done);
    }
    void await(const TaskPtr& made) const {
        CHECK(patiently([&] { return engine->wait_for_task(made, now_ns() + kLongNs); }) == Waited::done);
    }

    std::shared_ptr<MemoryPool> pool;
    std::vector<ChildSpec> specs;
    std::unique_ptr<Engine> engine;
};

// Chips that are ready and have the callable `hold`, and a run for its tasks.
struct HoldingChips : EngineFixture {
    explicit HoldingChips(std::uint32_t chips = 1, EngineOptions options = {})
        : EngineFixture(chips, std::move(options)), holding(add(hold())) {
        REQUIRE(start().ok());
        run = begin_run();
    }
    // Submits a task that holds `vector`, and ends when `vector` is released.
    TaskPtr submit_hold(const Vector& vector, std::int32_t chip = 0) const {
        return submit(run, task(holding, {vector.as(Tag::inout)}, {}, chip));
    }

    CallablePtr holding;
    RunPtr run;
};

}  // namespace callring::test
