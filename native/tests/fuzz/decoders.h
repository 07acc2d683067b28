// Each file beside this one defines a decoder's seeds and the run of one input.
#pragma once

#include "tests/fuzz/harness.h"

#define CALLRING_FUZZ_DECODER(decoder)          \
    namespace callring::fuzz::decoder {         \
    std::vector<Bytes> seeds();                 \
    void run(std::span<const std::byte> input); \
    }

CALLRING_FUZZ_DECODER(argument_blob)
CALLRING_FUZZ_DECODER(blob)
CALLRING_FUZZ_DECODER(completion)
CALLRING_FUZZ_DECODER(control_message)
CALLRING_FUZZ_DECODER(descriptor)
CALLRING_FUZZ_DECODER(envelope)
CALLRING_FUZZ_DECODER(frame)
CALLRING_FUZZ_DECODER(hashid)
CALLRING_FUZZ_DECODER(lane_header)
CALLRING_FUZZ_DECODER(start_body)

#undef CALLRING_FUZZ_DECODER
