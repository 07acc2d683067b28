// Ledger: what one incarnation of a child has installed, as far as its parent knows. Control messages travel and are
// served in order, so that what was posted is what the child will have once it has answered everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "identity/digest.h"

namespace callring {

// One identity in one child. How often it is registered is counted by the parent alone.
struct Installation {
    std::uint32_t installing = 0;  // requests to install it that are not answered
    std::uint32_t late = 0;        // requests without an answer within the control timeout
    bool installed = false;        // the child has said so; a removal under way included
    bool removing = false;         // it was asked to let go of it

    // Whether what is asked of the child from now on finds it installed.
    [[nodiscard]] bool held() const noexcept { return installed && !removing; }
    [[nodiscard]] bool uncertain() const noexcept { return late > 0; }
    [[nodiscard]] bool empty() const noexcept { return installing == 0 && !installed; }
};

struct Ledger {
    std::map<Digest, Installation> installations;
    std::size_t uncertain = 0;          // installations that are uncertain
    std::uint64_t uncertain_since = 0;  // when the first of them became so; 0 while there is none

    // Whether the child may be given frames of this identity.
    [[nodiscard]] bool usable(const Digest& digest) const {
        if (uncertain == 0) {
            return true;
        }
        const auto entry = installations.find(digest);
        return entry == installations.end() || !entry->second.uncertain();
    }
};

}  // namespace callring
