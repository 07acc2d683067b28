// The claim of a frame decides who may execute it. The child claims a published frame before it executes it; the parent
// may revoke a frame that is not claimed yet (to give it to an idle child, to cancel it, or because its child died).
// Guarantees: exactly one of the two succeeds, once.
#pragma once

#include <atomic>
#include <cstdint>

namespace callring {

enum class Claim : std::uint32_t { published = 0, claimed = 1, revoked = 2 };

// Changes `word`, a frame's claim, from `published` to `claim`. Returns whether it was still `published`.
template <class Word>
[[nodiscard]] bool settle_claim(Word& word, Claim claim) noexcept {
    auto expected = static_cast<std::uint32_t>(Claim::published);
    return word.compare_exchange_strong(expected, static_cast<std::uint32_t>(claim), std::memory_order_acq_rel);
}

}  // namespace callring
