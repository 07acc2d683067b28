#include "chip/simulated.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <new>
#include <utility>

#include "chip/blob.h"
#include "chip/loader.h"
#include "common/system_calls.h"
#include "graph/hazards.h"
#include "graph/region.h"
#include "memory/tensor.h"

namespace callring::chip {

namespace {

constexpr std::size_t kScratchBytes = 65536;

// The numbers of tensors and scalars that a kernel or an orchestration function takes.
struct Arity {
    explicit Arity(std::span<const Direction> signature)
        : scalars(static_cast<std::uint32_t>(std::count(signature.begin(), signature.end(), Direction::scalar))),
          tensors(static_cast<std::uint32_t>(signature.size()) - scalars) {}

    // Describes how `args` differ from these numbers; empty if they do not.
    [[nodiscard]] std::string mismatch(const callring_args& args) const {
        if (args.tensor_count == tensors && args.scalar_count == scalars) {
            return {};
        }
        return "takes " + std::to_string(tensors) + " tensors and " + std::to_string(scalars) + " scalars, was given " +
               std::to_string(args.tensor_count) + " and " + std::to_string(args.scalar_count);
    }

    std::uint32_t scalars;
    std::uint32_t tensors;
};

// Describes the first tensor of `args` that is none by callring/chip.h; empty if all are.
std::string malformed_tensor(const callring_args& args) {
    for (std::uint32_t i = 0; i < args.tensor_count; ++i) {
        const callring_tensor& tensor = args.tensors[i];
        if (tensor.rank > CALLRING_MAX_RANK) {
            return "tensor " + std::to_string(i) + " has rank " + std::to_string(tensor.rank) + "; the most is " +
                   std::to_string(CALLRING_MAX_RANK);
        }
        if (element_bytes(tensor.dtype) == 0) {
            return "tensor " + std::to_string(i) + " has the unknown dtype " + std::to_string(tensor.dtype);
        }
    }
    return {};
}

struct Kernel {
    std::string name;
    std::vector<Direction> signature;
    callring_kernel_fn function = nullptr;
    Arity arity{signature};
};

class Program final : public Prepared {
public:
    explicit Program(std::span<const Direction> signature) : arity(signature) {}

    Arity arity;
    callring_entry_fn entry = nullptr;  // null: launch the only kernel
    std::map<std::uint32_t, Kernel> kernels;
    std::vector<Library> libraries;  // unloaded after everything above is gone
};

// One execution of a callable: the state behind the callring_chip of its orchestration function.
class Call {
public:
    Call(Cores& cores, const Program& program, const CallConfig& config, bool traced)
        : cores_(cores), program_(program), traced_(traced) {
        static constexpr callring_chip_ops kOps{&Call::op_launch,     &Call::op_alloc, &Call::op_barrier,
                                                &Call::op_core_count, &Call::op_log,   &Call::op_fail};
        chip_ = {CALLRING_CHIP_ABI_VERSION, config.block_count, &kOps, this};
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
        for (void* memory : allocations_) {
            std::free(memory);  // NOLINT(*-no-malloc)
        }
    }

    std::optional<Failure> run(const callring_args& args) {
        if (std::string wrong = program_.arity.mismatch(args); !wrong.empty()) {
            return Failure{kRefusedByChip, {}, 0, "it " + wrong};
        }
        int code = 0;
        if (program_.entry == nullptr) {
            code = op_launch(&chip_, program_.kernels.begin()->first, chip_.block_count, &args);
        } else {
            code = program_.entry(&chip_, &args);
        }
        // Also after a failure: this object must live until all launches have ended.
        static_cast<void>(op_barrier(&chip_));
        if (short_of_memory_) {
            throw std::bad_alloc();
        }
        if (failure_) {
            return failure_;  // it explains more than the orchestration function's own code
        }
        if (code == 0 && refused_) {
            code = kRefusedByChip;  // the orchestration function has ignored that a launch was refused
        }
        if (code != 0) {
            return Failure{code, {}, 0, message_};
        }
        return std::nullopt;
    }

    void take_spans(std::vector<CoreSpan>& spans) const {
        for (const Launch& launch : launches_) {
            std::copy_if(launch.spans.begin(), launch.spans.end(), std::back_inserter(spans),
                         [](const CoreSpan& span) { return span.begin_ns != 0; });
        }
    }

private:
    int launch(std::uint32_t func_id, std::uint32_t blocks, const callring_args& args) {
        const auto entry = program_.kernels.find(func_id);
        if (entry == program_.kernels.end()) {
            return refuse("launch of func_id " + std::to_string(func_id) + ", which the callable does not have");
        }
        const Kernel& kernel = entry->second;
        if (const std::string wrong = kernel.arity.mismatch(args); !wrong.empty()) {
            return refuse("launch of kernel " + kernel.name + ", which " + wrong);
        }
        if (const std::string wrong = malformed_tensor(args); !wrong.empty()) {
            return refuse("launch of kernel " + kernel.name + ", whose " + wrong);
        }
        Launch& launch = launches_.emplace_back();
        launch.id = launches_.size() - 1;
        launch.kernel = kernel.function;
        launch.func_id = func_id;
        launch.name = kernel.name.c_str();
        launch.blocks = blocks == 0 ? cores_.count() : blocks;
        launch.tensors.assign(args.tensors, args.tensors + args.tensor_count);
        launch.scalars.assign(args.scalars, args.scalars + args.scalar_count);
        cores_.submit(launch, predecessors(launch, kernel.signature), traced_);
        return 0;
    }

    // Launches of one call are ordered by the bytes they touch, exactly as tasks are on the host.
    std::vector<Launch*> predecessors(const Launch& launch, std::span<const Direction> signature) {
        std::vector<TaskId> ids;
        std::size_t position = 0;
        for (const Direction direction : signature) {
            if (direction == Direction::scalar) {
                continue;
            }
            const callring_tensor& tensor = launch.tensors[position++];
            const Region region =
                region_of(0, reinterpret_cast<std::uint64_t>(tensor.data), element_bytes(tensor.dtype),
                          std::span(tensor.shape).first(tensor.rank), std::span(tensor.strides).first(tensor.rank));
            if (direction != Direction::out) {
                hazards_.record(launch.id, region, Access::read, ids);
            }
            if (direction != Direction::in) {
                hazards_.record(launch.id, region, Access::write, ids);
            }
        }
        std::vector<Launch*> result;
        result.reserve(ids.size());
        for (const TaskId id : ids) {
            result.push_back(&launches_[id]);
        }
        return result;
    }

    int barrier() {
        if (auto failure = cores_.finish(); failure && !failure_) {
            failure_ = std::move(failure);
        }
        return failure_ ? failure_->code : 0;
    }

    int fail(int code, std::string message) {
        if (message_.empty()) {
            message_ = std::move(message);
        }
        return code;
    }

    int refuse(std::string message) {
        refused_ = true;
        return fail(kRefusedByChip, std::move(message));
    }

    void* alloc(std::uint64_t bytes) {
        constexpr std::uint64_t kAlignment = 64;
        if (bytes > UINT64_MAX - kAlignment) {
            return nullptr;
        }
        const std::uint64_t size = std::max<std::uint64_t>(1, (bytes + kAlignment - 1) / kAlignment) * kAlignment;
        allocations_.push_back(nullptr);
        void* memory = sys::aligned_alloc(kAlignment, size);  // NOLINT(*-no-malloc)
        if (memory != nullptr) {
            std::fill_n(static_cast<std::byte*>(memory), size, std::byte{0});
            allocations_.back() = memory;
        } else {
            allocations_.pop_back();
        }
        return memory;
    }

    // Runs an operation that an orchestration function calls: no exception may reach that function. Once memory has run
    // out, the order of the launches is unknown, and further launches are refused.
    template <class Work>
    static auto within_memory(callring_chip* chip, decltype(std::declval<Work>()(std::declval<Call&>())) otherwise,
                              Work&& work) noexcept {
        Call& call = self(chip);
        try {
            return call.short_of_memory_ ? otherwise : work(call);
        } catch (const std::bad_alloc&) {
            call.short_of_memory_ = true;
            return otherwise;
        }
    }

    static Call& self(callring_chip* chip) { return *static_cast<Call*>(chip->state); }
    static int op_launch(callring_chip* chip, std::uint32_t func_id, std::uint32_t blocks, const callring_args* args) {
        return within_memory(chip, kRefusedByChip, [&](Call& call) { return call.launch(func_id, blocks, *args); });
    }
    static void* op_alloc(callring_chip* chip, std::uint64_t bytes) {
        return within_memory(chip, static_cast<void*>(nullptr), [&](Call& call) { return call.alloc(bytes); });
    }
    static int op_barrier(callring_chip* chip) {
        Call& call = self(chip);
        try {
            return call.barrier();
        } catch (const std::bad_alloc&) {  // there was no memory for a failure's message
            call.short_of_memory_ = true;
            return kRefusedByChip;
        }
    }
    static std::uint32_t op_core_count(callring_chip* chip) { return self(chip).cores_.count(); }
    static void op_log(callring_chip* /*chip*/, std::uint32_t level, const char* message) {
        constexpr std::array<const char*, 4> kLevels{"debug", "info", "warning", "error"};
        std::fprintf(stderr, "[chip] %s: %s\n", kLevels.at(std::min(level, 3U)), message);
    }
    static int op_fail(callring_chip* chip, int code, const char* message) {
        return within_memory(chip, code,
                             [&](Call& call) { return call.fail(code, message == nullptr ? "" : message); });
    }

    Cores& cores_;
    const Program& program_;
    bool traced_;
    callring_chip chip_{};
    HazardMap hazards_;
    std::deque<Launch> launches_;  // stable addresses
    std::vector<void*> allocations_;
    std::optional<Failure> failure_;
    std::string message_;
    bool refused_ = false;  // a launch
    bool short_of_memory_ = false;
};

// Executes a callable that is one kernel, in one block: there is nothing to order and no core to wake.
std::optional<Failure> run_alone(Cores& cores, const Program& program, const callring_args& args,
                                 std::vector<CoreSpan>* spans) {
    const auto& [func_id, kernel] = *program.kernels.begin();
    if (std::string wrong = kernel.arity.mismatch(args); !wrong.empty()) {
        return Failure{kRefusedByChip, {}, 0, "it " + wrong};
    }
    CoreSpan span{};
    const int code =
        cores.run_alone(kernel.function, kernel.name.c_str(), func_id, args, spans != nullptr ? &span : nullptr);
    if (spans != nullptr) {
        spans->push_back(span);
    }
    return code == 0 ? std::nullopt : std::optional(Failure{code, kernel.name, 0, {}});
}

}  // namespace

SimulatedChip::SimulatedChip(std::uint32_t cores) : cores_(cores, kScratchBytes) {}
SimulatedChip::~SimulatedChip() = default;

Result<std::unique_ptr<Prepared>> SimulatedChip::prepare(std::span<const std::byte> blob) {
    auto parts = parse_blob(blob);
    if (!parts) {
        return std::move(parts).error();
    }
    auto program = std::make_unique<Program>(parts->signature);
    const auto load = [&](std::span<const std::byte> binary, const std::string& name,
                          std::span<const Direction> signature) -> Result<void*> {
        auto library = Library::load(binary);
        if (!library) {
            return std::move(library).error();
        }
        auto function = library->find(name, signature);
        program->libraries.push_back(std::move(library).value());
        return function;
    };
    if (!parts->orchestration.empty()) {
        auto entry = load(parts->orchestration, parts->entry, parts->signature);
        if (!entry) {
            return std::move(entry).error();
        }
        program->entry = reinterpret_cast<callring_entry_fn>(*entry);
    }
    for (KernelPart& part : parts->kernels) {
        auto function = load(part.binary, part.name, part.signature);
        if (!function) {
            return std::move(function).error();
        }
        program->kernels.emplace(part.func_id, Kernel{std::move(part.name), std::move(part.signature),
                                                      reinterpret_cast<callring_kernel_fn>(*function)});
    }
    return std::unique_ptr<Prepared>(std::move(program));
}

std::optional<Failure> SimulatedChip::execute(Prepared& prepared, const callring_args& args, const CallConfig& config,
                                              std::vector<CoreSpan>* spans) {
    const auto& program = static_cast<const Program&>(prepared);
    if (program.entry == nullptr && (config.block_count == 1 || (config.block_count == 0 && cores_.count() == 1))) {
        return run_alone(cores_, program, args, spans);
    }
    Call call(cores_, program, config, spans != nullptr);
    auto failure = call.run(args);
    if (spans != nullptr) {
        call.take_spans(*spans);
    }
    return failure;
}

}  // namespace callring::chip
