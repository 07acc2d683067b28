#include "identity/digest.h"

#include <openssl/evp.h>

#include <new>
#include <string_view>

namespace callring {

Digest sha256(std::span<const std::byte> bytes) {
    Digest digest{};
    unsigned int size = 0;
    // Fails only when OpenSSL cannot allocate its context.
    if (::EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, ::EVP_sha256(),
                     nullptr) != 1) {
        throw std::bad_alloc();
    }
    return digest;
}

std::string to_hex(const Digest& digest) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * digest.size());
    for (const std::byte value : digest) {
        text += kDigits[std::to_integer<unsigned>(value) >> 4U];
        text += kDigits[std::to_integer<unsigned>(value) & 15U];
    }
    return text;
}

}  // namespace callring
