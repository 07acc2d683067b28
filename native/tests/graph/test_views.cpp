// The bytes of tensors, and the dependencies that follow from the tags of a task's arguments.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "graph/task_hazards.h"
#include "graph/view_region.h"
#include "tests/graph/views.h"

using namespace callring;

namespace {

constexpr std::array<Tag, 5> kTags{Tag::input, Tag::output, Tag::inout, Tag::output_existing, Tag::no_dep};

const std::shared_ptr<MemoryPool>& pool() {
    static const auto made = std::make_shared<MemoryPool>(1U << 20U, 1U << 24U);
    return made;
}

std::shared_ptr<Buffer> buffer_of(std::uint64_t bytes) {
    return std::move(pool()->allocate(bytes)).value();
}

// The same view, as a tensor in `buffer`.
TensorView tensor_of(const View& view, const std::shared_ptr<Buffer>& buffer, std::uint32_t dtype) {
    TensorView tensor;
    tensor.buffer = buffer;
    tensor.offset = buffer->offset() + view.base;
    tensor.dtype = dtype;
    tensor.rank = static_cast<std::uint32_t>(view.shape.size());
    std::copy(view.shape.begin(), view.shape.end(), tensor.shape.begin());
    std::copy(view.strides.begin(), view.strides.end(), tensor.strides.begin());
    return tensor;
}

TensorView row(const std::shared_ptr<Buffer>& buffer, std::uint64_t from, std::int64_t count) {
    return tensor_of({from, 1, {count}, {1}}, buffer, CALLRING_UINT8);
}

std::vector<TaskId> record(HazardMap& hazards, TaskId task, std::vector<TensorArg> tensors) {
    TaskArgs args;
    args.tensors = std::move(tensors);
    std::vector<TaskId> predecessors;
    record_task(hazards, task, args, predecessors, [](TaskId) { return false; });
    return predecessors;
}

}  // namespace

TEST_CASE("the element sizes of all types are those of the kernel header, and an unknown type has none") {
    const std::vector<std::pair<std::uint32_t, std::uint64_t>> sizes{
        {CALLRING_BOOL, 1},    {CALLRING_INT8, 1},    {CALLRING_UINT8, 1},   {CALLRING_INT16, 2},
        {CALLRING_UINT16, 2},  {CALLRING_INT32, 4},   {CALLRING_UINT32, 4},  {CALLRING_INT64, 8},
        {CALLRING_UINT64, 8},  {CALLRING_FLOAT16, 2}, {CALLRING_FLOAT32, 4}, {CALLRING_FLOAT64, 8},
        {CALLRING_BFLOAT16, 2}};
    for (const auto& [dtype, bytes] : sizes) {
        CAPTURE(dtype);
        CHECK(element_bytes(dtype) == bytes);
    }
    CHECK(element_bytes(13) == 0);
    CHECK(element_bytes(UINT32_MAX) == 0);
}

TEST_CASE("random tensors extend from their first touched byte to their last one, and their region has these ends") {
    std::mt19937 random(7);
    const auto first = buffer_of(300);  // the next buffer does not begin where the arena does
    const auto buffer = buffer_of(1440);
    for (int round = 0; round < 500; ++round) {
        CAPTURE(round);
        const View view = random_view(random);
        const TensorView tensor = tensor_of(view, buffer, view.element_bytes == 2 ? CALLRING_INT16 : CALLRING_BOOL);
        const auto touched = bytes_of(view);
        const auto [low, high] = extent(tensor);
        const Region region = region_of(tensor);
        if (touched.empty()) {
            REQUIRE(low == high);
            REQUIRE(region.empty());
            continue;
        }
        REQUIRE(low == buffer->offset() + *touched.begin());
        REQUIRE(high == buffer->offset() + *touched.rbegin() + 1);
        REQUIRE(region.space == buffer->id());
        REQUIRE(region.begin == *touched.begin());
        REQUIRE(region.end() == *touched.rbegin() + 1);
        const auto elements = view.element_bytes * tensor.elements();
        REQUIRE(elements == touched.size());
    }
}

TEST_CASE("a tensor without axes is one element, and one that is repeated without a stride touches it once") {
    const auto buffer = buffer_of(64);
    const TensorView scalar = tensor_of({8, 8, {}, {}}, buffer, CALLRING_FLOAT64);
    CHECK(scalar.elements() == 1);
    CHECK(extent(scalar) == std::pair(buffer->offset() + 8, buffer->offset() + 16));
    const TensorView repeated = tensor_of({8, 8, {1000, 2}, {0, 1}}, buffer, CALLRING_FLOAT64);
    CHECK(extent(repeated) == std::pair(buffer->offset() + 8, buffer->offset() + 24));
    CHECK(region_of(repeated) == Region::bytes(buffer->id(), 8, 24));
}

TEST_CASE("a task follows an earlier one exactly if one of them writes what both touch, for every pair of tags") {
    const auto reads = [](Tag tag) { return tag == Tag::input || tag == Tag::inout; };
    const auto writes = [](Tag tag) { return tag == Tag::output || tag == Tag::inout || tag == Tag::output_existing; };
    for (const Tag earlier : kTags) {
        for (const Tag later : kTags) {
            CAPTURE(static_cast<int>(earlier));
            CAPTURE(static_cast<int>(later));
            HazardMap hazards;
            const auto buffer = buffer_of(64);
            CHECK(record(hazards, 1, {{row(buffer, 0, 40), earlier}}).empty());
            const auto after = record(hazards, 2, {{row(buffer, 39, 10), later}});
            const bool follows =
                (writes(earlier) && (reads(later) || writes(later))) || (reads(earlier) && writes(later));
            CHECK(after == (follows ? std::vector<TaskId>{1} : std::vector<TaskId>{}));
            CHECK(record(hazards, 3, {{row(buffer, 49, 10), later}}).empty());        // disjoint bytes
            CHECK(record(hazards, 4, {{row(buffer_of(64), 0, 64), later}}).empty());  // another buffer
        }
    }
}

TEST_CASE("the tensors of one task do not make it follow itself, and each earlier task is named once, in order") {
    HazardMap hazards;
    const auto a = buffer_of(64);
    const auto b = buffer_of(64);
    CHECK(record(hazards, 1, {{row(a, 0, 64), Tag::output}, {row(a, 0, 64), Tag::input}}).empty());
    CHECK(record(hazards, 2, {{row(b, 0, 64), Tag::output}}).empty());
    CHECK(record(hazards, 3, {{row(b, 0, 9), Tag::input}, {row(a, 0, 9), Tag::input}, {row(a, 1, 3), Tag::inout}}) ==
          std::vector<TaskId>{1, 2});
    CHECK(record(hazards, 4, {{row(b, 0, 64), Tag::output}, {row(a, 2, 1), Tag::input}}) == std::vector<TaskId>{2, 3});
}

TEST_CASE("a tensor without elements orders nothing") {
    HazardMap hazards;
    const auto buffer = buffer_of(64);
    CHECK(record(hazards, 1, {{row(buffer, 8, 0), Tag::output}}).empty());
    CHECK(record(hazards, 2, {{row(buffer, 0, 64), Tag::inout}}).empty());
    CHECK(record(hazards, 3, {{row(buffer, 8, 0), Tag::output}}).empty());
}
