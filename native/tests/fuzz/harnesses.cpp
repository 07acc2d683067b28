// The list of decoders, each in a file of its own.
#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/decoders.h"
#include "tests/fuzz/harness.h"

namespace callring::fuzz {

std::span<const Harness> harnesses() noexcept {
    static constexpr std::array kAll{
        Harness{"argument_blob", argument_blob::seeds, argument_blob::run},
        Harness{"blob", blob::seeds, blob::run},
        Harness{"completion", completion::seeds, completion::run},
        Harness{"control_message", control_message::seeds, control_message::run},
        Harness{"descriptor", descriptor::seeds, descriptor::run},
        Harness{"envelope", envelope::seeds, envelope::run},
        Harness{"frame", frame::seeds, frame::run},
        Harness{"hashid", hashid::seeds, hashid::run},
        Harness{"lane_header", lane_header::seeds, lane_header::run},
        Harness{"start_body", start_body::seeds, start_body::run},
    };
    return kAll;
}

void require(bool kept, const char* promise) noexcept {
    if (!kept) {
        std::fprintf(stderr, "broken promise: %s\n", promise);
        std::abort();
    }
}

Bytes copy(std::span<const std::byte> bytes) {
    return {bytes.begin(), bytes.end()};
}

Bytes copy(std::string_view text) {
    return copy(std::as_bytes(std::span(text)));
}

Bytes joined(std::span<const std::byte> first, std::span<const std::byte> second) {
    Bytes bytes = copy(first);
    bytes.insert(bytes.end(), second.begin(), second.end());
    return bytes;
}

}  // namespace callring::fuzz
