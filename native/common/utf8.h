// Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace callring {

[[nodiscard]] inline bool is_utf8(std::span<const std::byte> text) noexcept {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = std::to_integer<std::uint32_t>(text[i]);
        std::size_t length = 1;
        std::uint32_t smallest = 0;
        std::uint32_t value = lead;
        if (lead >= 0xF0 && lead < 0xF8) {
            length = 4;
            smallest = 0x10000;
            value = lead & 0x07U;
        } else if (lead >= 0xE0 && lead < 0xF0) {
            length = 3;
            smallest = 0x800;
            value = lead & 0x0FU;
        } else if (lead >= 0xC0 && lead < 0xE0) {
            length = 2;
            smallest = 0x80;
            value = lead & 0x1FU;
        } else if (lead >= 0x80) {
            return false;
        }
        if (length > text.size() - i) {
            return false;
        }
        for (std::size_t k = 1; k < length; ++k) {
            const auto next = std::to_integer<std::uint32_t>(text[i + k]);
            if ((next & 0xC0U) != 0x80U) {
                return false;
            }
            value = (value << 6U) | (next & 0x3FU);
        }
        if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
            return false;
        }
        i += length;
    }
    return true;
}

// Makes text of another process fit for messages: if it is not well-formed, `?` replaces every byte that is not ASCII.
inline void make_utf8(std::string& text) noexcept {
    if (!is_utf8(std::as_bytes(std::span(text)))) {
        for (char& byte : text) {
            byte = static_cast<unsigned char>(byte) < 0x80 ? byte : '?';
        }
    }
}

}  // namespace callring
