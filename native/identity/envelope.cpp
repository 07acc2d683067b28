#include "identity/envelope.h"

#include <array>
#include <cstdint>

namespace callring {

namespace {
constexpr std::size_t kHeaderBytes = 16;
constexpr std::array<std::byte, 8> kStart{std::byte{'S'}, std::byte{'P'}, std::byte{'Y'}, std::byte{'C'},
                                          std::byte{1},   std::byte{1},   std::byte{0},   std::byte{0}};

Error malformed_envelope(const char* what) {
    return {Code::malformed, std::string("serialized payload: ") + what};
}
}  // namespace

std::vector<std::byte> wrap_envelope(std::span<const std::byte> payload) {
    std::vector<std::byte> envelope(kStart.begin(), kStart.end());
    envelope.reserve(kHeaderBytes + payload.size());
    for (unsigned shift = 0; shift < 64; shift += 8) {
        envelope.push_back(static_cast<std::byte>(std::uint64_t{payload.size()} >> shift));
    }
    envelope.insert(envelope.end(), payload.begin(), payload.end());
    return envelope;
}

Result<std::span<const std::byte>> open_envelope(std::span<const std::byte> envelope) {
    if (envelope.size() < kHeaderBytes) {
        return malformed_envelope("shorter than its envelope");
    }
    constexpr std::array<const char*, 8> kField{
        "unknown magic",      "unknown magic", "unknown magic", "unknown magic", "unknown envelope version",
        "unknown serializer", "unknown flags", "unknown flags"};
    for (std::size_t i = 0; i < kStart.size(); ++i) {
        if (envelope[i] != kStart.at(i)) {
            return malformed_envelope(kField.at(i));
        }
    }
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        size |= std::to_integer<std::uint64_t>(envelope[8 + i]) << (8 * i);
    }
    if (size != envelope.size() - kHeaderBytes) {
        return malformed_envelope("size contradicts its envelope");
    }
    return envelope.subspan(kHeaderBytes);
}

}  // namespace callring
