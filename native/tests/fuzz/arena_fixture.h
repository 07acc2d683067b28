// One small arena as a child has it mapped, for decoders of arguments.
#pragma once

#include <algorithm>
#include <cstring>

#include "lane/frame.h"
#include "memory/pool.h"
#include "tests/fuzz/harness.h"

namespace callring::fuzz {

struct ArenaFixture {
    static constexpr std::size_t kBytes = 4096;

    static const ArenaFixture& get() {
        static const ArenaFixture fixture;
        return fixture;
    }

    // Every element of every tensor lies in the arena, whatever its strides.
    void check(const DecodedArguments& arguments) const {
        __extension__ using Wide = __int128;
        require(arguments.tensors.size() == arguments.tags.size(), "every tensor has a tag");
        for (const callring_tensor& tensor : arguments.tensors) {
            const auto element = static_cast<Wide>(element_bytes(tensor.dtype));
            require(element > 0 && tensor.rank <= CALLRING_MAX_RANK, "dtype and rank are known");
            const auto shape = std::span(tensor.shape).first(tensor.rank);
            require(std::ranges::all_of(shape, [](std::int64_t extent) { return extent >= 0; }),
                    "no extent is negative");
            if (std::ranges::find(shape, 0) != shape.end()) {
                continue;  // no element at all
            }
            Wide low = reinterpret_cast<std::intptr_t>(tensor.data);
            Wide high = low;
            for (std::uint32_t i = 0; i < tensor.rank; ++i) {
                const Wide reach = static_cast<Wide>(tensor.shape[i] - 1) * tensor.strides[i] * element;
                (reach < 0 ? low : high) += reach;
            }
            const Wide begin = reinterpret_cast<std::intptr_t>(view_.data());
            require(low >= begin && high + element <= begin + static_cast<Wide>(kBytes),
                    "every element lies in its arena");
        }
    }

    ArenaMap map;
    std::shared_ptr<Buffer> buffer;  // the parent's view of the same arena

    // The arena's bytes as this process sees them through `map`.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return view_; }

private:
    ArenaFixture() {
        const auto pool = std::make_shared<MemoryPool>(kBytes, kBytes);
        buffer = pool->allocate(kBytes).value();
        const auto arena = pool->arenas().front();
        require(map.attach(arena->id(), UniqueFd::copy_of(arena->fd())).ok(), "the arena is mapped");
        view_ = {map.resolve(arena->id(), 0, kBytes).value(), kBytes};
    }

    std::span<std::byte> view_;
};

// The argument blob of a task with tensors over the fixture's arena: contiguous, strided, reversed, empty.
[[nodiscard]] inline TaskArgs some_arguments(const std::shared_ptr<Buffer>& buffer) {
    TaskArgs args;
    args.tensors.push_back({TensorView{buffer, 0, CALLRING_FLOAT32, 1, {64}, {1}}, Tag::input});
    args.tensors.push_back({TensorView{buffer, 1024, CALLRING_FLOAT64, 2, {4, 8}, {16, 2}}, Tag::output});
    args.tensors.push_back({TensorView{buffer, 2048, CALLRING_INT8, 1, {100}, {-1}}, Tag::inout});
    args.tensors.push_back({TensorView{buffer, 0, CALLRING_FLOAT32, 1, {0}, {1}}, Tag::no_dep});
    args.scalars = {0, UINT64_MAX};
    return args;
}

[[nodiscard]] inline TaskArgs with_opaque(TaskArgs args) {
    args.opaque = "a pickled call";
    return args;
}

[[nodiscard]] inline Bytes encoded(const TaskArgs& args) {
    Bytes bytes(argument_bytes(args));
    encode_arguments(args, bytes);
    return bytes;
}

}  // namespace callring::fuzz
