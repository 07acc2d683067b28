// The canonical bytes of descriptors: unsigned little-endian integers, u32 length prefixes
// (docs/explanation/identity.md). Encoder appends; Decoder reads and refuses fields that exceed its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace callring {

class Encoder {
public:
    void u32(std::uint32_t value) {
        for (unsigned shift = 0; shift < 32; shift += 8) {
            bytes_.push_back(static_cast<std::byte>(value >> shift));
        }
    }
    void bytes(std::span<const std::byte> value) {
        u32(static_cast<std::uint32_t>(value.size()));
        bytes_.insert(bytes_.end(), value.begin(), value.end());
    }
    void str(std::string_view value) { bytes(std::as_bytes(std::span(value.data(), value.size()))); }

    [[nodiscard]] std::vector<std::byte> take() && { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

class Decoder {
public:
    explicit Decoder(std::span<const std::byte> bytes) : bytes_(bytes) {}

    [[nodiscard]] std::optional<std::uint32_t> u32() {
        if (bytes_.size() < 4) {
            return std::nullopt;
        }
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            value |= std::to_integer<std::uint32_t>(bytes_[i]) << (8 * i);
        }
        bytes_ = bytes_.subspan(4);
        return value;
    }
    [[nodiscard]] std::optional<std::span<const std::byte>> bytes() {
        const auto size = u32();
        if (!size || *size > bytes_.size()) {
            return std::nullopt;
        }
        const auto value = bytes_.first(*size);
        bytes_ = bytes_.subspan(*size);
        return value;
    }
    [[nodiscard]] bool at_end() const noexcept { return bytes_.empty(); }

private:
    std::span<const std::byte> bytes_;
};

}  // namespace callring
