// Ledger: the parent's record of the callables that one incarnation of a child has installed. Control messages are
// delivered and served in order, so the record is correct once the child has answered all of them.
#pragma once

#include <cstdint>
#include <map>

#include "identity/digest.h"

namespace callring {

// One identity in one child, which does not count registrations: only the parent does.
struct Installation {
    std::uint32_t installing = 0;  // unanswered requests to install it
    bool installed = false;        // the child has confirmed it; also during a removal
    bool removing = false;         // the child was asked to remove it

    // Whether the child will have it installed when it serves the next request.
    [[nodiscard]] bool held() const noexcept { return installed && !removing; }
    [[nodiscard]] bool empty() const noexcept { return installing == 0 && !installed; }
};

using Ledger = std::map<Digest, Installation>;

}  // namespace callring
