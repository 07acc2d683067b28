// Argument blobs: no tensor that is accepted reaches outside of shared memory.
#include "tests/fuzz/arena_fixture.h"
#include "tests/fuzz/decoders.h"

namespace callring::fuzz::argument_blob {

std::vector<Bytes> seeds() {
    const TaskArgs args = some_arguments(ArenaFixture::get().buffer);
    return {encoded({}), encoded(args), encoded(with_opaque(args))};
}

void run(std::span<const std::byte> input) {
    const ArenaFixture& arena = ArenaFixture::get();
    static DecodedArguments arguments;  // reused from frame to frame, as a child does
    for (const bool opaque : {false, true}) {
        const auto decoded = decode_argument_blob(input, arena.map, arguments, opaque);
        if (!decoded) {
            require(decoded.error().code == Code::malformed, "a refusal is malformed");
            continue;
        }
        arena.check(arguments);
        const auto found = arguments.opaque;
        require(opaque || found.empty(), "opaque bytes are found only where they are announced");
        require(found.empty() ||
                    (found.data() >= input.data() && found.data() + found.size() <= input.data() + input.size()),
                "opaque bytes lie in the blob");
    }
}

}  // namespace callring::fuzz::argument_blob
