// Start bodies: a decoded body survives encoding and decoding.
#include "control/start_body.h"

#include "tests/fuzz/decoders.h"

namespace callring::fuzz::start_body {

std::vector<Bytes> seeds() {
    return {copy(StartBody{"a2a3sim", "host_build_graph", 0, 4096, 7, 12}.encode()),
            copy(StartBody{"", "", UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX}.encode())};
}

void run(std::span<const std::byte> input) {
    const auto body = StartBody::decode({reinterpret_cast<const char*>(input.data()), input.size()});
    if (!body) {
        require(body.error().code == Code::malformed, "a refusal is malformed");
        return;
    }
    const auto again = StartBody::decode(body->encode());
    require(again.ok(), "a decoded body encodes to a body that decodes");
    require(again->platform == body->platform && again->runtime == body->runtime && again->cores == body->cores &&
                again->max_callables == body->max_callables && again->place == body->place &&
                again->next_notice == body->next_notice,
            "nothing is lost between encoding and decoding");
}

}  // namespace callring::fuzz::start_body
