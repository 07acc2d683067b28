// The argument blob: encoded blobs are decoded, and other bytes refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "lane/frame.h"
#include "tests/lane/encoded.h"

using namespace callring;

namespace {

// A pool, and the map of a child that has mapped its arenas.
struct Memory {
    Memory() {
        buffer = std::move(pool->allocate(1024)).value();
        REQUIRE(map.attach(buffer->arena_id(), UniqueFd::copy_of(pool->arenas()[0]->fd())).ok());
    }
    std::shared_ptr<MemoryPool> pool = std::make_shared<MemoryPool>(65536, 65536);
    std::shared_ptr<Buffer> buffer;
    ArenaMap map;
};

TensorArg tensor(const std::shared_ptr<Buffer>& buffer, std::uint64_t at, std::vector<std::int64_t> shape,
                 std::vector<std::int64_t> strides, Tag tag = Tag::input) {
    TensorArg argument;
    argument.tensor.buffer = buffer;
    argument.tensor.offset = buffer->offset() + at;
    argument.tensor.rank = static_cast<std::uint32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), argument.tensor.shape.begin());
    std::copy(strides.begin(), strides.end(), argument.tensor.strides.begin());
    argument.tag = tag;
    return argument;
}

template <class T>
std::vector<std::byte> with(std::vector<std::byte> blob, std::size_t at, T value) {
    std::memcpy(blob.data() + at, &value, sizeof value);
    return blob;
}

}  // namespace

TEST_CASE("any arguments are decoded as they were encoded, also frame after frame") {
    Memory memory;
    DecodedArguments out;
    for (std::uint32_t seed = 0; seed < 500; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        TaskArgs args;
        for (std::size_t count = random() % 4; count > 0; --count) {
            std::vector<std::int64_t> shape;
            std::vector<std::int64_t> strides;
            for (std::size_t rank = random() % 4; rank > 0; --rank) {
                shape.push_back(static_cast<std::int64_t>(random() % 4));
                strides.push_back(static_cast<std::int64_t>(random() % 9) - 4);
            }
            args.tensors.push_back(
                tensor(memory.buffer, 512 + (random() % 32), shape, strides, static_cast<Tag>(random() % 5)));
            args.tensors.back().tensor.dtype = static_cast<std::uint32_t>(random() % 13);
        }
        for (std::size_t count = random() % 5; count > 0; --count) {
            args.scalars.push_back((std::uint64_t{random()} << 32U) | random());
        }
        args.opaque.assign(random() % 3 == 0 ? random() % 100 : 0, 'o');
        const auto blob = encoded(args);
        REQUIRE(decode_argument_blob(blob, memory.map, out, !args.opaque.empty()).ok());
        REQUIRE(out.tensors.size() == args.tensors.size());
        for (std::size_t i = 0; i < args.tensors.size(); ++i) {
            const TensorView& given = args.tensors[i].tensor;
            const callring_tensor& seen = out.tensors[i];
            CHECK(out.tags[i] == args.tensors[i].tag);
            CHECK(seen.dtype == given.dtype);
            REQUIRE(seen.rank == given.rank);
            CHECK(std::equal(given.shape.begin(), given.shape.begin() + given.rank, seen.shape));
            CHECK(std::equal(given.strides.begin(), given.strides.begin() + given.rank, seen.strides));
            const auto address = memory.map.resolve(given.buffer->arena_id(), given.offset, 0);
            CHECK(seen.data == *address);
        }
        CHECK(out.scalars == args.scalars);
        CHECK(std::string(reinterpret_cast<const char*>(out.opaque.data()), out.opaque.size()) == args.opaque);
    }
}

TEST_CASE("a blob that is cut short anywhere, or goes on, is refused") {
    Memory memory;
    DecodedArguments out;
    TaskArgs args;
    args.tensors = {tensor(memory.buffer, 0, {2, 3}, {3, 1})};
    args.scalars = {1, 2};
    const auto blob = encoded(args);
    for (std::size_t bytes = 0; bytes < blob.size(); ++bytes) {
        CAPTURE(bytes);
        CHECK_FALSE(decode_argument_blob(std::span(blob).first(bytes), memory.map, out).ok());
    }
    CHECK(decode_argument_blob(blob, memory.map, out).ok());
}

TEST_CASE("a blob whose counts, dtype, rank, tag or spare byte no encoder writes is refused") {
    Memory memory;
    DecodedArguments out;
    TaskArgs args;
    args.tensors = {tensor(memory.buffer, 0, {2}, {1})};
    const auto blob = encoded(args);
    const auto is_refused = [&](const std::vector<std::byte>& changed) {
        const auto decoded = decode_argument_blob(changed, memory.map, out);
        return !decoded.ok() && decoded.error().code == Code::malformed;
    };
    constexpr std::size_t kRecord = 8;
    CHECK(is_refused(with(blob, 0, std::int32_t{-1})));
    CHECK(is_refused(with(blob, 0, std::int32_t{2})));
    CHECK(is_refused(with(blob, 4, std::int32_t{-1})));
    CHECK(is_refused(with(blob, 4, std::int32_t{1})));
    CHECK(is_refused(with(blob, 0, INT32_MAX)));
    CHECK(is_refused(with(blob, kRecord, std::uint32_t{77})));           // an arena that is not mapped
    CHECK(is_refused(with(blob, kRecord + 4, std::uint8_t{13})));        // no dtype
    CHECK(is_refused(with(blob, kRecord + 5, std::uint8_t{9})));         // more dimensions than there are
    CHECK(is_refused(with(blob, kRecord + 6, std::uint8_t{5})));         // no tag
    CHECK(is_refused(with(blob, kRecord + 7, std::uint8_t{1})));         // not zero
    CHECK(is_refused(with(blob, kRecord + 16, std::int64_t{-1})));       // a negative extent
    CHECK(is_refused(with(blob, kRecord + 16, std::int64_t{100'000})));  // beyond the arena
    CHECK(is_refused(with(blob, kRecord + 16, INT64_MAX)));
    CHECK(is_refused(with(blob, kRecord + 24, INT64_MIN)));                // before the arena
    CHECK(is_refused(with(blob, kRecord + 8, std::uint64_t{65536 - 4})));  // the second element does not fit
    CHECK(is_refused(with(blob, kRecord + 8, UINT64_MAX)));
    CHECK_FALSE(is_refused(with(blob, kRecord + 8, std::uint64_t{65536 - 8})));
    CHECK_FALSE(is_refused(with(blob, kRecord + 16, std::int64_t{0})));
}

TEST_CASE("a tensor without elements lies nowhere, and one whose stride is negative begins at its last byte") {
    Memory memory;
    DecodedArguments out;
    TaskArgs args;
    args.tensors = {tensor(memory.buffer, 28, {8}, {-1}), tensor(memory.buffer, 0, {0, 1000}, {1'000'000, 1})};
    REQUIRE(decode_argument_blob(encoded(args), memory.map, out).ok());
    const auto begin = memory.map.resolve(memory.buffer->arena_id(), memory.buffer->offset(), 32);
    CHECK(out.tensors[0].data == *begin + 28);
    args.tensors = {tensor(memory.buffer, 0, {8}, {-100})};
    CHECK_FALSE(decode_argument_blob(encoded(args), memory.map, out).ok());
}

TEST_CASE("a tensor is accepted exactly if all its elements lie in its arena, also where 64 bits cannot count them") {
    __extension__ using Wide = __int128;
    constexpr Wide kArena = 65536;
    constexpr std::array<std::int64_t, 12> kNumbers{0,  1, 2, 3, 7, 64, INT32_MAX, INT64_MAX, INT64_MIN, INT64_MIN + 1,
                                                    -1, -5};
    Memory memory;
    DecodedArguments out;
    std::mt19937 random(1);
    std::size_t accepted = 0;
    for (int trial = 0; trial < 20'000; ++trial) {
        std::vector<std::int64_t> shape;
        std::vector<std::int64_t> strides;
        Wide low = 0;
        Wide high = 0;
        bool empty = false;
        for (std::size_t rank = random() % 4; rank > 0; --rank) {
            const auto extent = std::max<std::int64_t>(kNumbers.at(random() % (trial % 2 == 0 ? 6 : 12)), 0);
            const std::int64_t stride = kNumbers.at(random() % 12);
            shape.push_back(extent);
            strides.push_back(stride);
            empty = empty || extent == 0;
            const Wide last = (Wide{extent} - 1) * stride;
            (last < 0 ? low : high) += last;
        }
        TaskArgs args;
        args.tensors = {tensor(memory.buffer, 0, shape, strides)};
        args.tensors[0].tensor.offset = random() % 3 == 0 ? random() % 65537 : 32768;
        const Wide at = static_cast<Wide>(args.tensors[0].tensor.offset);
        const bool inside = empty ? at <= kArena : low >= -(at / 4) && high < (kArena - at) / 4;
        std::string words;
        for (std::size_t i = 0; i < shape.size(); ++i) {
            words += std::to_string(shape[i]) + " by " + std::to_string(strides[i]) + ", ";
        }
        CAPTURE(words);
        CHECK(decode_argument_blob(encoded(args), memory.map, out).ok() == inside);
        accepted += inside ? 1 : 0;
    }
    CHECK(accepted > 1000);
    CHECK(accepted < 19'000);
}

TEST_CASE("a frame's arguments lie in it or, if its flags say so, in its spill") {
    Memory memory;
    DecodedArguments out;
    TaskArgs args;
    args.scalars.assign(100, 7);
    const auto blob = encoded(args);
    const auto spill = std::move(memory.pool->allocate(blob.size())).value();
    std::memcpy(spill->data(), blob.data(), blob.size());
    Frame frame{};
    frame.config.flags = kFrameSpilled;
    const auto decode = [&](SpillRecord record) {
        std::memcpy(frame.arguments.data(), &record, sizeof record);
        return decode_arguments(frame, memory.map, out).ok();
    };
    const auto bytes = static_cast<std::uint32_t>(blob.size());
    CHECK(decode({spill->arena_id(), bytes, spill->offset()}));
    CHECK(out.scalars == args.scalars);
    CHECK_FALSE(decode({spill->arena_id(), bytes - 1, spill->offset()}));
    CHECK_FALSE(decode({spill->arena_id() + 1, bytes, spill->offset()}));
    CHECK_FALSE(decode({spill->arena_id(), bytes, 65536 - 8}));
}
