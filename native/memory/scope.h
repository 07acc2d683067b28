// Scope: bounds the use of the buffers that were allocated in it. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "common/tuning.h"
#include "memory/pool.h"

namespace callring {

class Scope {
public:
    // Adds a buffer, at amortised constant cost. Forgets buffers that no longer exist.
    void own(const std::shared_ptr<Buffer>& buffer) {
        if (buffers_.size() >= prune_at_) {
            std::erase_if(buffers_, [](const std::weak_ptr<Buffer>& held) { return held.expired(); });
            prune_at_ = std::max<std::size_t>(tuning::kFirstPruneOfScope, 2 * buffers_.size());
        }
        buffers_.push_back(buffer);
    }
    // From now on no new task may use the buffers; each is given back when its last user drops it.
    void end() {
        for (const std::weak_ptr<Buffer>& held : buffers_) {
            if (const auto buffer = held.lock()) {
                buffer->retire();
            }
        }
        buffers_.clear();
    }

private:
    std::vector<std::weak_ptr<Buffer>> buffers_;
    std::size_t prune_at_ = tuning::kFirstPruneOfScope;
};

}  // namespace callring
