// SHA-256 in portable C++.
#include <bit>

#include "identity/sha256_blocks.h"

namespace callring {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const std::array<std::uint32_t, 64> kSha256Rounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

namespace {
std::uint32_t big_endian(const std::byte* bytes) {
    return std::to_integer<std::uint32_t>(bytes[0]) << 24U | std::to_integer<std::uint32_t>(bytes[1]) << 16U |
           std::to_integer<std::uint32_t>(bytes[2]) << 8U | std::to_integer<std::uint32_t>(bytes[3]);
}

// Computes a word of the schedule from the 16 words before it. It belongs at index `i`, where the first of these was.
std::uint32_t next_word(const std::array<std::uint32_t, 16>& words, std::size_t i) {
    const std::uint32_t w15 = words[(i + 1) % 16];
    const std::uint32_t w2 = words[(i + 14) % 16];
    const std::uint32_t s0 = std::rotr(w15, 7) ^ std::rotr(w15, 18) ^ w15 >> 3U;
    const std::uint32_t s1 = std::rotr(w2, 17) ^ std::rotr(w2, 19) ^ w2 >> 10U;
    return words[i] + s0 + words[(i + 9) % 16] + s1;
}

// One round. The caller rotates the roles of the words, so that no word is moved.
inline void round(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t& d, std::uint32_t e, std::uint32_t f,
                  std::uint32_t g, std::uint32_t& h, std::uint32_t added) {
    const std::uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + (g ^ (e & (f ^ g))) + added;
    d += t1;
    h = t1 + (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) | (c & (a | b)));
}
}  // namespace

void sha256_blocks_portable(Sha256State& state, const std::byte* blocks, std::size_t count) {
    for (; count > 0; --count, blocks += kSha256Block) {
        std::array<std::uint32_t, 16> words{};
        for (std::size_t i = 0; i < 16; ++i) {
            words[i] = big_endian(blocks + 4 * i);
        }
        auto [a, b, c, d, e, f, g, h] = state;
        for (std::size_t first = 0; first < 64; first += 16) {
            const std::uint32_t* constants = kSha256Rounds.data() + first;
            for (std::size_t i = 0; first > 0 && i < 16; ++i) {
                words[i] = next_word(words, i);
            }
            for (std::size_t i = 0; i < 16; i += 8) {
                round(a, b, c, d, e, f, g, h, constants[i] + words[i]);
                round(h, a, b, c, d, e, f, g, constants[i + 1] + words[i + 1]);
                round(g, h, a, b, c, d, e, f, constants[i + 2] + words[i + 2]);
                round(f, g, h, a, b, c, d, e, constants[i + 3] + words[i + 3]);
                round(e, f, g, h, a, b, c, d, constants[i + 4] + words[i + 4]);
                round(d, e, f, g, h, a, b, c, constants[i + 5] + words[i + 5]);
                round(c, d, e, f, g, h, a, b, constants[i + 6] + words[i + 6]);
                round(b, c, d, e, f, g, h, a, constants[i + 7] + words[i + 7]);
            }
        }
        const Sha256State added{a, b, c, d, e, f, g, h};
        for (std::size_t i = 0; i < state.size(); ++i) {
            state[i] += added[i];
        }
    }
}

}  // namespace callring
