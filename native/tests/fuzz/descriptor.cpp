// Descriptors: only complete descriptors of the three kinds are valid, and none of them is a part of another.
#include "identity/descriptor.h"

#include <array>

#include "tests/fuzz/decoders.h"

namespace callring::fuzz::descriptor {

std::vector<Bytes> seeds() {
    const auto payload = copy("x");
    const std::array signature{Direction::in, Direction::inout, Direction::out, Direction::scalar};
    return {chip_callable_descriptor("a2a3sim", "host_build_graph", payload, signature).value(),
            chip_callable_descriptor("", "", payload, {}).value(), python_serialized_descriptor(payload),
            python_source_descriptor("package.module", "Class.function", sha256(payload))};
}

void run(std::span<const std::byte> input) {
    const auto kind = validate_descriptor(input);
    if (!kind) {
        require(kind.error().code == Code::malformed || kind.error().code == Code::kind_unsupported,
                "a refusal is malformed or kind_unsupported");
        return;
    }
    require(*kind == CallableKind::chip_callable || *kind == CallableKind::python_serialized ||
                *kind == CallableKind::python_source,
            "only the known kinds are valid");
    require(!validate_descriptor(input.first(input.size() - 1)).ok(), "a shortened descriptor is not valid");
    Bytes longer = copy(input);
    longer.push_back(std::byte{0});
    require(!validate_descriptor(longer).ok(), "nothing follows a descriptor");
}

}  // namespace callring::fuzz::descriptor
