#include "identity/hashid.h"

#include <cstdint>

namespace callring {

Result<Digest> parse_hashid(std::string_view hashid) {
    constexpr std::string_view kPrefix = "sha256:";
    const Error invalid{Code::hashid_format_invalid, "a hashid is 'sha256:' and 64 lowercase hexadecimal digits"};
    Digest digest{};
    if (hashid.size() != kPrefix.size() + (2 * digest.size()) || !hashid.starts_with(kPrefix)) {
        return invalid;
    }
    for (std::size_t i = 0; i < 2 * digest.size(); ++i) {
        const char digit = hashid[kPrefix.size() + i];
        std::uint32_t value = 0;
        if (digit >= '0' && digit <= '9') {
            value = static_cast<std::uint32_t>(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            value = static_cast<std::uint32_t>(digit - 'a') + 10;
        } else {
            return invalid;
        }
        digest[i / 2] = static_cast<std::byte>((std::to_integer<std::uint32_t>(digest[i / 2]) << 4U) | value);
    }
    return digest;
}

}  // namespace callring
