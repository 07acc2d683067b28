// Questions: what is asked of children, and who receives the answers. For a moment the caller receives them itself, and
// the progress thread is not woken at all; what takes longer is left to that thread. Under the engine's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/recovery.h"
#include "engine/shared.h"
#include "lane/spin.h"

namespace callring {

// What the Workers within the nodes recorded, as the nodes packed it; an error of one that did not answer in time.
struct NodeTraces {
    std::size_t open = 0;                                                // nodes that have not answered
    std::vector<std::pair<std::uint32_t, Result<std::string>>> answers;  // by the nodes' ids
};

class Questions {
public:
    Questions(Shared& shared, Recovery& recovery) noexcept : shared_(shared), recovery_(recovery) {}

    // Calls `post`, which asks children, and receives what they answer within a moment.
    void ask(std::unique_lock<std::mutex>& lock, const std::function<void()>& post);
    // Until `answered()`, which is called whenever something changed, or the Worker is closed. A caller that waits
    // longer is given the chance to notice a signal. Throws bad_alloc if the books are torn.
    Waited wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& answered);
    // Asks every node at once; what it recorded is then forgotten there.
    std::shared_ptr<NodeTraces> ask_for_traces();
    // Whether a caller receives just now; it ends soon, and tells Shared::changed.
    [[nodiscard]] bool receiving() const noexcept { return receiving_; }

private:
    [[nodiscard]] std::vector<ChildPtr> unanswered() const;

    Shared& shared_;
    Recovery& recovery_;
    bool receiving_ = false;
    AdaptiveSpin spin_{Core::offered};  // of the caller that receives
};

}  // namespace callring
