#include "identity/digest.h"

#include <openssl/evp.h>

#include <new>
#include <string_view>

namespace callring {

Digest sha256(std::span<const std::byte> bytes) {
    Digest digest{};
    unsigned int size = 0;
    // Fetched once: EVP_sha256() looks for it in every call. Never freed, as other threads may use it to the end.
    static const EVP_MD* const algorithm = ::EVP_MD_fetch(nullptr, "SHA256", nullptr);
    // Fails only when OpenSSL cannot allocate, or lacks SHA-256 altogether.
    if (::EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, algorithm,
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
