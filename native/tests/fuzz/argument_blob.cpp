// Argument blobs: no tensor that is accepted reaches outside of shared memory.
#include "tests/fuzz/arena_fixture.h"
#include "tests/fuzz/decoders.h"

namespace callring::fuzz::argument_blob {

std::vector<Bytes> seeds() {
    return {encoded({}), encoded(some_arguments(ArenaFixture::get().buffer))};
}

void run(std::span<const std::byte> input) {
    const ArenaFixture& arena = ArenaFixture::get();
    static DecodedArguments arguments;  // reused from frame to frame, as a child does
    const auto decoded = decode_argument_blob(input, arena.map, arguments);
    if (decoded) {
        arena.check(arguments);
    } else {
        require(decoded.error().code == Code::malformed, "a refusal is malformed");
    }
}

}  // namespace callring::fuzz::argument_blob
