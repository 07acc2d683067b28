// Envelopes: one encoding for one payload.
#include "identity/envelope.h"

#include <algorithm>

#include "tests/fuzz/decoders.h"

namespace callring::fuzz::envelope {

std::vector<Bytes> seeds() {
    return {wrap_envelope({}), wrap_envelope(copy("payload")), wrap_envelope(Bytes(300, std::byte{7}))};
}

void run(std::span<const std::byte> input) {
    const auto payload = open_envelope(input);
    if (!payload) {
        require(payload.error().code == Code::malformed, "a refusal is malformed");
        return;
    }
    require(std::ranges::equal(wrap_envelope(*payload), input),
            "an accepted envelope is the one that wrapping its payload gives");
}

}  // namespace callring::fuzz::envelope
