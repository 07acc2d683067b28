// Control messages: a decoded message has our magic, our layout version and a body of the length that it claims.
#include <cstring>

#include "control/channel.h"
#include "lane/layout.h"
#include "tests/fuzz/decoders.h"

namespace callring::fuzz::control_message {

namespace {
Bytes encoded(Op op, std::string_view body) {
    MessageHeader header;
    header.layout_version = kLayoutVersion;
    header.op = static_cast<std::uint32_t>(op);
    header.sequence = 12;
    header.argument = 1;
    header.kind = 2;
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    return joined(std::as_bytes(std::span(&header, 1)), std::as_bytes(std::span(body)));
}
}  // namespace

std::vector<Bytes> seeds() {
    return {encoded(Op::start, "a2a3sim\nhost_build_graph\n0\n4096"), encoded(Op::register_callable, ""),
            encoded(Op::take_trace, "spans")};
}

void run(std::span<const std::byte> input) {
    const auto message = decode_message(input);
    if (!message) {
        require(message.error().code == Code::malformed || message.error().code == Code::layout_mismatch,
                "a refusal is malformed or layout_mismatch");
        return;
    }
    require(message->header.magic == kControlMagic && message->header.layout_version == kLayoutVersion,
            "only our own magic and layout version are accepted");
    require(message->body.size() == message->header.body_bytes &&
                message->body.size() + sizeof(MessageHeader) == input.size(),
            "the body is what follows the header");
    require(std::memcmp(message->body.data(), input.data() + sizeof(MessageHeader), message->body.size()) == 0,
            "the body is unchanged");
}

}  // namespace callring::fuzz::control_message
