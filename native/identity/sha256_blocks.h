// The block function of SHA-256 (FIPS 180-4): in portable C++, and with the SHA instructions of x86-64 processors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "identity/digest.h"

namespace callring {

// The hash between two blocks: the words a to h of the standard.
using Sha256State = std::array<std::uint32_t, 8>;

// The size of a block, in bytes.
inline constexpr std::size_t kSha256Block = 64;

// Updates the hash with `count` blocks.
using Sha256Blocks = void (*)(Sha256State& state, const std::byte* blocks, std::size_t count);

// The constants of the 64 rounds.
extern const std::array<std::uint32_t, 64> kSha256Rounds;

void sha256_blocks_portable(Sha256State& state, const std::byte* blocks, std::size_t count);

// The block function that uses the processor's SHA instructions; null if it has none.
[[nodiscard]] Sha256Blocks sha256_blocks_of_processor();

// SHA-256 of `bytes` by the given block function.
[[nodiscard]] Digest sha256_with(Sha256Blocks take_blocks, std::span<const std::byte> bytes);

}  // namespace callring
