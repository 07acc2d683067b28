// Ledger: what one incarnation of a child has installed, as far as its parent knows. Control messages travel and are
// served in order, so that what was posted is what the child will have once it has answered everything.
#pragma once

#include <cstdint>
#include <map>

#include "identity/digest.h"

namespace callring {

// One identity in one child. How often it is registered is counted by the parent alone.
struct Installation {
    std::uint32_t installing = 0;  // requests to install it that are not answered
    bool installed = false;        // the child has said so; a removal under way included
    bool removing = false;         // it was asked to let go of it

    // Whether what is asked of the child from now on finds it installed.
    [[nodiscard]] bool held() const noexcept { return installed && !removing; }
    [[nodiscard]] bool empty() const noexcept { return installing == 0 && !installed; }
};

using Ledger = std::map<Digest, Installation>;

}  // namespace callring
