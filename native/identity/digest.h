// Digest: 32 raw bytes of SHA-256, the name of a callable inside the machine.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

namespace callring {

using Digest = std::array<std::byte, 32>;

// SHA-256 of `bytes`, with the processor's instructions if it has them.
[[nodiscard]] Digest sha256(std::span<const std::byte> bytes);

// 64 lowercase hexadecimal digits.
[[nodiscard]] std::string to_hex(const Digest& digest);

}  // namespace callring
