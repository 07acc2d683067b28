// SimulatedChip: a chip whose cores are threads of this process. Kernels and orchestration functions are host code.
#pragma once

#include <cstdint>
#include <memory>

#include "chip/chip.h"
#include "chip/cores.h"

namespace callring::chip {

class SimulatedChip final : public Chip {
public:
    explicit SimulatedChip(std::uint32_t cores);
    ~SimulatedChip() override;

    Result<std::unique_ptr<Prepared>> prepare(std::span<const std::byte> blob) override;
    std::optional<Failure> execute(Prepared& prepared, const callring_args& args, const CallConfig& config,
                                   std::vector<CoreSpan>* spans) override;
    [[nodiscard]] std::uint32_t core_count() const noexcept override { return cores_.count(); }

private:
    Cores cores_;
};

}  // namespace callring::chip
