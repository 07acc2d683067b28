// ChipStore: the chip callables that one chip has installed.
// Guarantees: a callable is installed only if its descriptor, derived from the received bytes and this child's own
// platform and runtime, hashes to the requested digest, and if it could be loaded.
#pragma once

#include <memory>
#include <string>

#include "child_side/host.h"
#include "child_side/slot_table.h"
#include "chip/chip.h"

namespace callring {

class ChipStore final : public CallableStore {
public:
    // Opens the chip that `start` names. Errors: invalid_argument (unknown or unavailable platform), io.
    static Result<std::unique_ptr<ChipStore>> open(const StartBody& start);

    void install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload, bool /*may_hold*/,
                 const Installed& installed) override {
        installed(install(kind, digest, payload));
    }
    Result<void> remove(const Digest& digest) override { return table_.remove(digest); }

    [[nodiscard]] const SlotTable<chip::Prepared>& table() const noexcept { return table_; }
    [[nodiscard]] chip::Chip& chip() const noexcept { return *chip_; }

private:
    ChipStore(const StartBody& start, std::unique_ptr<chip::Chip> chip)
        : platform_(start.platform), runtime_(start.runtime), chip_(std::move(chip)), table_(start.max_callables) {}
    Result<void> install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload);

    std::string platform_;
    std::string runtime_;
    std::unique_ptr<chip::Chip> chip_;
    SlotTable<chip::Prepared> table_;
};

}  // namespace callring
