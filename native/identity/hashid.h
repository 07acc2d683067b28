// Hashids: "sha256:" and 64 lowercase hexadecimal digits, and nothing else (docs/explanation/identity.md).
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "identity/digest.h"

namespace callring {

[[nodiscard]] inline std::string to_hashid(const Digest& digest) {
    return "sha256:" + to_hex(digest);
}

// Error: hashid_format_invalid.
[[nodiscard]] Result<Digest> parse_hashid(std::string_view hashid);

}  // namespace callring
