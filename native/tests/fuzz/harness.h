// Harness: one decoder under attack. `run` must survive any bytes, and aborts when accepted bytes break a promise of
// the decoder's header: fuzzing finds wrong answers, too, not only crashes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace callring::fuzz {

using Bytes = std::vector<std::byte>;

struct Harness {
    std::string_view name;
    std::vector<Bytes> (
        *seeds)();  // well-formed inputs, made by our own encoders: they follow every change of a layout
    void (*run)(std::span<const std::byte> input);
};

// All decoders of bytes that come from another process, from a file or from a user.
[[nodiscard]] std::span<const Harness> harnesses() noexcept;

// Aborts, naming `promise`, unless it was kept.
void require(bool kept, const char* promise) noexcept;

[[nodiscard]] Bytes copy(std::span<const std::byte> bytes);
[[nodiscard]] Bytes copy(std::string_view text);
[[nodiscard]] Bytes joined(std::span<const std::byte> first, std::span<const std::byte> second);

}  // namespace callring::fuzz
