#include "chip/platform.h"

#include <algorithm>
#include <array>
#include <string>
#include <thread>

#include "chip/simulated.h"

namespace callring::chip {

namespace {
constexpr std::array<Platform, 4> kPlatforms{{
    {"a2a3sim", "a2a3", 24, ""},
    {"a5sim", "a5", 32, ""},
    {"a2a3", "a2a3", 24,
     "it needs the vendor's CANN toolkit (ASCEND_HOME_PATH) and a device, which this build does not support; use "
     "a2a3sim"},
    {"a5", "a5", 32,
     "it needs the vendor's CANN toolkit (ASCEND_HOME_PATH) and a device, which this build does not support; use "
     "a5sim"},
}};
}  // namespace

std::span<const Platform> platforms() noexcept {
    return kPlatforms;
}

Result<std::unique_ptr<Chip>> open_chip(std::string_view platform, const ChipOptions& options) {
    const auto* const entry = std::find_if(kPlatforms.begin(), kPlatforms.end(),
                                           [platform](const Platform& known) { return known.name == platform; });
    if (entry == kPlatforms.end()) {
        return Error{Code::invalid_argument, "unknown platform '" + std::string(platform) + "'"};
    }
    if (!entry->missing.empty()) {
        return Error{Code::invalid_argument, "platform " + std::string(platform) + ": " + std::string(entry->missing)};
    }
    const std::uint32_t machine = std::max(1U, std::thread::hardware_concurrency());
    const std::uint32_t cores = options.cores != 0 ? options.cores : std::min(entry->default_cores, machine);
    return std::unique_ptr<Chip>(std::make_unique<SimulatedChip>(cores));
}

}  // namespace callring::chip
