// The registry of chip platforms: the only code that depends on a platform's name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "chip/chip.h"

namespace callring::chip {

struct ChipOptions {
    std::uint32_t cores = 0;  // 0: the architecture's default, capped by the machine
};

struct Platform {
    std::string_view name;
    std::string_view arch;
    std::uint32_t default_cores;
    std::string_view missing;  // why it cannot be used here; empty if it can
};

[[nodiscard]] std::span<const Platform> platforms() noexcept;

// Error: invalid_argument: unknown platform, or a missing requirement.
Result<std::unique_ptr<Chip>> open_chip(std::string_view platform, const ChipOptions& options);

}  // namespace callring::chip
