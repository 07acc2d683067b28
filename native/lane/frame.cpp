#include "lane/frame.h"

#include <algorithm>
#include <cstring>

namespace callring {

namespace {

constexpr std::size_t kFixedRecordBytes = 16;

// Wide enough for any product of an extent and a stride.
__extension__ using Wide = __int128;

class Writer {
public:
    explicit Writer(std::span<std::byte> out) noexcept : out_(out) {}

    template <class T>
    void put(const T& value) noexcept {
        put_bytes(&value, sizeof value);
    }
    void put_bytes(const void* data, std::size_t bytes) noexcept {
        std::memcpy(out_.data() + position_, data, bytes);
        position_ += bytes;
    }

private:
    std::span<std::byte> out_;
    std::size_t position_ = 0;
};

class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

    template <class T>
    bool get(T& value) noexcept {
        return get_bytes(&value, sizeof value);
    }
    bool get_bytes(void* data, std::size_t bytes) noexcept {
        if (bytes > left()) {
            return false;
        }
        std::memcpy(data, bytes_.data() + position_, bytes);
        position_ += bytes;
        return true;
    }
    [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - position_; }
    [[nodiscard]] std::span<const std::byte> rest() const noexcept { return bytes_.subspan(position_); }

private:
    std::span<const std::byte> bytes_;
    std::size_t position_ = 0;
};

Error malformed_frame(const char* what) {
    return {Code::malformed, std::string("argument blob: ") + what};
}

// Finds the address of a tensor whose shape and strides are set, checking that every element lies in the arena.
Result<void> locate(callring_tensor& tensor, std::uint32_t arena, std::uint64_t offset, const ArenaMap& arenas) {
    constexpr Wide kLimit = static_cast<Wide>(1) << 62U;
    const auto shape = std::span(tensor.shape).first(tensor.rank);
    if (std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent < 0; })) {
        return malformed_frame("negative extent");
    }
    const auto element = static_cast<Wide>(element_bytes(tensor.dtype));
    Wide low = 0;
    Wide high = 0;
    if (std::find(shape.begin(), shape.end(), 0) == shape.end()) {  // otherwise it has no elements
        high = element;
        for (std::uint32_t i = 0; i < tensor.rank; ++i) {
            const Wide reach = static_cast<Wide>(tensor.shape[i] - 1) * tensor.strides[i];
            if (reach < -kLimit || reach > kLimit) {
                return malformed_frame("tensor lies outside of its arena");
            }
            (reach < 0 ? low : high) += reach * element;
        }
    }
    const Wide begin = static_cast<Wide>(offset) + low;
    const Wide bytes = high - low;
    if (begin < 0 || begin > kLimit || bytes > kLimit) {
        return malformed_frame("tensor lies outside of its arena");
    }
    auto address = arenas.resolve(arena, static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(bytes));
    if (!address) {
        return std::move(address).error();
    }
    tensor.data = *address - static_cast<std::ptrdiff_t>(low);
    return {};
}

Result<void> read_tensor(Reader& reader, const ArenaMap& arenas, DecodedArguments& out) {
    std::uint32_t arena = 0;
    std::array<std::uint8_t, 4> small{};
    std::uint64_t offset = 0;
    if (!reader.get(arena) || !reader.get(small) || !reader.get(offset)) {
        return malformed_frame("ends inside a tensor record");
    }
    callring_tensor tensor{};
    tensor.dtype = small[0];
    tensor.rank = small[1];
    if (element_bytes(tensor.dtype) == 0) {
        return malformed_frame("unknown dtype");
    }
    if (tensor.rank > CALLRING_MAX_RANK) {
        return malformed_frame("rank is over the limit");
    }
    if (small[2] > static_cast<std::uint8_t>(Tag::no_dep) || small[3] != 0) {
        return malformed_frame("unknown tag");
    }
    if (!reader.get_bytes(tensor.shape, tensor.rank * sizeof(std::int64_t)) ||
        !reader.get_bytes(tensor.strides, tensor.rank * sizeof(std::int64_t))) {
        return malformed_frame("ends inside a tensor record");
    }
    if (auto located = locate(tensor, arena, offset, arenas); !located) {
        return located;
    }
    out.tensors.push_back(tensor);
    out.tags.push_back(static_cast<Tag>(small[2]));
    return {};
}

}  // namespace

std::uint64_t scalars_offset(const TaskArgs& args) noexcept {
    std::uint64_t bytes = 2 * sizeof(std::int32_t);
    for (const TensorArg& argument : args.tensors) {
        bytes += kFixedRecordBytes + (2 * sizeof(std::int64_t) * argument.tensor.rank);
    }
    return bytes;
}

std::uint64_t argument_bytes(const TaskArgs& args) noexcept {
    std::uint64_t bytes = scalars_offset(args) + (args.scalars.size() * sizeof(std::uint64_t));
    if (!args.opaque.empty()) {
        bytes += sizeof(std::uint32_t) + args.opaque.size();
    }
    return bytes;
}

void encode_arguments(const TaskArgs& args, std::span<std::byte> out) noexcept {
    Writer writer(out);
    writer.put(static_cast<std::int32_t>(args.tensors.size()));
    writer.put(static_cast<std::int32_t>(args.scalars.size()));
    for (const TensorArg& argument : args.tensors) {
        const TensorView& tensor = argument.tensor;
        writer.put(tensor.buffer->arena_id());
        writer.put(std::array<std::uint8_t, 4>{static_cast<std::uint8_t>(tensor.dtype),
                                               static_cast<std::uint8_t>(tensor.rank),
                                               static_cast<std::uint8_t>(argument.tag), 0});
        writer.put(tensor.offset);
        writer.put_bytes(tensor.shape.data(), tensor.rank * sizeof(std::int64_t));
        writer.put_bytes(tensor.strides.data(), tensor.rank * sizeof(std::int64_t));
    }
    if (!args.scalars.empty()) {
        writer.put_bytes(args.scalars.data(), args.scalars.size() * sizeof(std::uint64_t));
    }
    if (!args.opaque.empty()) {
        writer.put(static_cast<std::uint32_t>(args.opaque.size()));
        writer.put_bytes(args.opaque.data(), args.opaque.size());
    }
}

Result<void> decode_arguments(const Frame& frame, const ArenaMap& arenas, DecodedArguments& out) {
    const bool opaque = (frame.config.flags & kFrameOpaque) != 0;
    if ((frame.config.flags & kFrameSpilled) == 0) {
        return decode_argument_blob(frame.arguments, arenas, out, opaque);
    }
    SpillRecord spill{};
    std::memcpy(&spill, frame.arguments.data(), sizeof spill);
    auto blob = arenas.resolve(spill.arena, spill.offset, spill.bytes);
    if (!blob) {
        return std::move(blob).error();
    }
    return decode_argument_blob({*blob, spill.bytes}, arenas, out, opaque);
}

Result<void> decode_argument_blob(std::span<const std::byte> blob, const ArenaMap& arenas, DecodedArguments& out,
                                  bool opaque) {
    out.tensors.clear();
    out.tags.clear();
    out.scalars.clear();
    out.opaque = {};
    Reader reader(blob);
    std::int32_t tensors = 0;
    std::int32_t scalars = 0;
    if (!reader.get(tensors) || !reader.get(scalars)) {
        return malformed_frame("shorter than its counts");
    }
    if (tensors < 0 || scalars < 0 || static_cast<std::size_t>(tensors) > reader.left() / kFixedRecordBytes) {
        return malformed_frame("impossible counts");
    }
    for (std::int32_t i = 0; i < tensors; ++i) {
        if (auto read = read_tensor(reader, arenas, out); !read) {
            return read;
        }
    }
    if (static_cast<std::size_t>(scalars) > reader.left() / sizeof(std::uint64_t)) {
        return malformed_frame("ends inside the scalars");
    }
    out.scalars.resize(static_cast<std::size_t>(scalars));
    if (scalars > 0) {
        static_cast<void>(reader.get_bytes(out.scalars.data(), out.scalars.size() * sizeof(std::uint64_t)));
    }
    if (opaque) {
        std::uint32_t count = 0;
        if (!reader.get(count) || count > reader.left()) {
            return malformed_frame("ends inside the opaque bytes");
        }
        out.opaque = reader.rest().first(count);
    }
    return {};
}

}  // namespace callring
