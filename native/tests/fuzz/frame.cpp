// Frames: their arguments, in place or spilled into an arena. The input is a frame's bytes, then the arena's.
#include <algorithm>

#include "tests/fuzz/arena_fixture.h"
#include "tests/fuzz/decoders.h"

namespace callring::fuzz::frame {

namespace {
Bytes encoded_frame(std::uint32_t flags, std::span<const std::byte> arguments, std::span<const std::byte> arena) {
    Frame frame{};
    frame.layout_version = kLayoutVersion;
    frame.config.flags = flags;
    std::ranges::copy(arguments, frame.arguments.begin());
    return joined(std::as_bytes(std::span(&frame, 1)), arena);
}
}  // namespace

std::vector<Bytes> seeds() {
    const ArenaFixture& arena = ArenaFixture::get();
    const Bytes blob = encoded(some_arguments(arena.buffer));
    const SpillRecord spill{arena.buffer->arena_id(), static_cast<std::uint32_t>(blob.size()), 0};
    return {encoded_frame(0, blob, {}), encoded_frame(kFrameOpaque, encoded(with_opaque({})), {}),
            encoded_frame(kFrameSpilled, std::as_bytes(std::span(&spill, 1)), blob)};
}

void run(std::span<const std::byte> input) {
    const ArenaFixture& arena = ArenaFixture::get();
    alignas(kCacheLine) Frame frame{};
    const std::size_t in_frame = std::min(input.size(), sizeof frame);
    std::ranges::copy(input.first(in_frame), std::as_writable_bytes(std::span(&frame, 1)).begin());
    const auto rest = input.subspan(in_frame);
    std::ranges::copy(rest.first(std::min(rest.size(), arena.bytes().size())), arena.bytes().begin());
    static DecodedArguments arguments;
    const auto decoded = decode_arguments(frame, arena.map, arguments);
    if (decoded) {
        arena.check(arguments);
    } else {
        require(decoded.error().code == Code::malformed, "a refusal is malformed");
    }
}

}  // namespace callring::fuzz::frame
