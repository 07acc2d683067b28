#include "identity/digest.h"

#include <algorithm>
#include <string_view>

#include "identity/sha256_blocks.h"

namespace callring {

namespace {
// Queried once, because the features of a processor do not change.
Sha256Blocks fastest() {
    static const Sha256Blocks chosen = [] {
        const Sha256Blocks own = sha256_blocks_of_processor();
        return own != nullptr ? own : sha256_blocks_portable;
    }();
    return chosen;
}

void write_big_endian(std::byte* to, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        to[i] = static_cast<std::byte>(value >> 8U * (size - 1 - i));
    }
}
}  // namespace

Digest sha256_with(Sha256Blocks take_blocks, std::span<const std::byte> bytes) {
    // The first 32 bits of the fractional parts of the square roots of the first eight primes.
    Sha256State state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const std::size_t whole = bytes.size() / kSha256Block;
    take_blocks(state, bytes.data(), whole);
    // The remaining bytes, a 1 bit, zeros and the length in bits: one block, or two if the length does not fit.
    constexpr std::size_t kLength = 8;
    std::array<std::byte, 2 * kSha256Block> end{};
    const std::span<const std::byte> left = bytes.subspan(whole * kSha256Block);
    std::ranges::copy(left, end.begin());
    end[left.size()] = std::byte{0x80};
    const std::size_t blocks = left.size() + 1 + kLength <= kSha256Block ? 1 : 2;
    write_big_endian(end.data() + blocks * kSha256Block - kLength, std::uint64_t{bytes.size()} * 8, kLength);
    take_blocks(state, end.data(), blocks);
    Digest digest{};
    for (std::size_t i = 0; i < state.size(); ++i) {
        write_big_endian(digest.data() + 4 * i, state[i], 4);
    }
    return digest;
}

Digest sha256(std::span<const std::byte> bytes) {
    return sha256_with(fastest(), bytes);
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
