#include "lane/frame.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace callring {

namespace {

constexpr std::size_t kFixedRecordBytes = 16;
constexpr const char* kOutside = "tensor lies outside of its arena";

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
    // The next bytes, or fewer if fewer are left.
    std::span<const std::byte> take(std::size_t bytes) noexcept {
        const auto taken = rest().first(std::min(bytes, left()));
        position_ += taken.size();
        return taken;
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

// The bytes that the elements of a tensor reach, counted from the tensor's first element.
struct Reach {
    std::int64_t low = 0;   // at most 0
    std::int64_t high = 0;  // behind the last byte
};

// Adds a dimension, still in elements. False if the sum exceeds an int64: no arena is that large.
bool add_dimension(Reach& reach, std::int64_t extent, std::int64_t stride) noexcept {
    std::int64_t last = 0;
    if (__builtin_mul_overflow(extent - 1, stride, &last)) {
        return false;
    }
    std::int64_t& side = last < 0 ? reach.low : reach.high;
    return !__builtin_add_overflow(side, last, &side);
}

// Elements to bytes. False if the result exceeds an int64.
bool scale(Reach& reach, std::int64_t element) noexcept {
    return !__builtin_mul_overflow(reach.low, element, &reach.low) &&
           !__builtin_add_overflow(reach.high, 1, &reach.high) &&
           !__builtin_mul_overflow(reach.high, element, &reach.high);
}

// Reads shape and strides of a tensor whose dtype and rank are set. The frame lies in shared memory: each number is
// read once. Null, or what is wrong.
const char* read_dimensions(Reader& reader, callring_tensor& tensor, Reach& reach) noexcept {
    const std::size_t bytes = tensor.rank * sizeof(std::int64_t);
    const auto numbers = reader.take(2 * bytes);
    if (numbers.size() != 2 * bytes) {
        return "ends inside a tensor record";
    }
    bool empty = false;
    bool fits = true;
    for (std::uint32_t i = 0; i < tensor.rank; ++i) {
        std::int64_t extent = 0;
        std::int64_t stride = 0;
        std::memcpy(&extent, numbers.data() + (i * sizeof extent), sizeof extent);
        std::memcpy(&stride, numbers.data() + bytes + (i * sizeof stride), sizeof stride);
        if (extent < 0) {
            return "negative extent";
        }
        empty = empty || extent == 0;
        fits = fits && add_dimension(reach, extent, stride);
        tensor.shape[i] = extent;
        tensor.strides[i] = stride;
    }
    if (empty) {
        reach = {};
        return nullptr;
    }
    return fits && scale(reach, static_cast<std::int64_t>(element_bytes(tensor.dtype))) ? nullptr : kOutside;
}

// `tensor` may have the contents of an earlier frame. Nothing, or the error: a Result<void> costs more than the rest.
std::optional<Error> read_tensor(Reader& reader, const ArenaMap& arenas, callring_tensor& tensor, Tag& tag) {
    std::uint32_t arena = 0;
    std::array<std::uint8_t, 4> small{};
    std::uint64_t offset = 0;
    if (!reader.get(arena) || !reader.get(small) || !reader.get(offset)) {
        return malformed_frame("ends inside a tensor record");
    }
    tensor = {};
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
    tag = static_cast<Tag>(small[2]);
    Reach reach;
    if (const char* wrong = read_dimensions(reader, tensor, reach); wrong != nullptr) {
        return malformed_frame(wrong);
    }
    // At most 2^63, so that the sum does not wrap around.
    const std::uint64_t before = 0 - static_cast<std::uint64_t>(reach.low);
    const auto bytes = static_cast<std::uint64_t>(reach.high) + before;
    if (offset < before) {
        return malformed_frame(kOutside);
    }
    std::byte* const address = arenas.address(arena, offset - before, bytes);
    if (address == nullptr) {
        return std::move(arenas.resolve(arena, offset - before, bytes)).error();
    }
    tensor.data = address + before;
    return std::nullopt;
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
    out.tensors.resize(static_cast<std::size_t>(tensors));
    out.tags.resize(static_cast<std::size_t>(tensors));
    for (std::size_t i = 0; i < out.tensors.size(); ++i) {
        if (auto wrong = read_tensor(reader, arenas, out.tensors[i], out.tags[i])) {
            return *std::move(wrong);
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
