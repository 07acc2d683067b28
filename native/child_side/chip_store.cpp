#include "child_side/chip_store.h"

#include <utility>

#include "chip/blob.h"
#include "chip/platform.h"
#include "identity/descriptor.h"

namespace callring {

Result<std::unique_ptr<ChipStore>> ChipStore::open(const StartBody& start) {
    auto chip = chip::open_chip(start.platform, {start.cores});
    if (!chip) {
        return std::move(chip).error();
    }
    return std::unique_ptr<ChipStore>(new ChipStore(start, std::move(chip).value()));
}

Result<void> ChipStore::install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload) {
    if (kind != static_cast<std::uint32_t>(CallableKind::chip_callable)) {
        return Error{Code::kind_unsupported, "a chip cannot run callables of kind " + std::to_string(kind)};
    }
    auto parts = chip::parse_blob(payload);
    if (!parts) {
        return std::move(parts).error();
    }
    auto descriptor = chip_callable_descriptor(platform_, runtime_, payload, parts->signature);
    if (!descriptor) {
        return std::move(descriptor).error();
    }
    if (descriptor_digest(*descriptor) != digest) {
        return Error{Code::hashid_descriptor_mismatch, "the received bytes, on platform " + platform_ +
                                                           " and runtime " + runtime_ +
                                                           ", do not hash to the requested digest"};
    }
    if (table_.contains(digest)) {
        return {};
    }
    auto prepared = chip_->prepare(payload);
    if (!prepared) {
        return std::move(prepared).error();
    }
    return table_.install(digest, std::move(prepared).value());
}

}  // namespace callring
