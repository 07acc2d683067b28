// Hashids: one text for one digest.
#include "identity/hashid.h"

#include "tests/fuzz/decoders.h"

namespace callring::fuzz::hashid {

std::vector<Bytes> seeds() {
    return {copy(to_hashid(sha256({}))), copy(to_hashid(Digest{})), copy("sha256:"), copy(to_hex(sha256({})))};
}

void run(std::span<const std::byte> input) {
    const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
    const auto digest = parse_hashid(text);
    if (!digest) {
        require(digest.error().code == Code::hashid_format_invalid, "a refusal is hashid_format_invalid");
        return;
    }
    require(to_hashid(*digest) == text, "an accepted text is the one as which its digest is written");
}

}  // namespace callring::fuzz::hashid
