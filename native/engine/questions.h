// Questions: requests to children whose answers a caller waits for. At first the calling thread itself receives the
// answers, without waking the progress thread; answers that take longer are left to the progress thread. Called under
// the engine's lock.
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

// The traces of the Workers within the nodes, as the nodes encoded them; an error for a node that did not answer in
// time.
struct NodeTraces {
    std::size_t open = 0;                                                // nodes that have not answered
    std::vector<std::pair<std::uint32_t, Result<std::string>>> answers;  // by the nodes' ids
};

class Questions {
public:
    Questions(Shared& shared, Recovery& recovery) noexcept : shared_(shared), recovery_(recovery) {}

    // Calls `post`, which sends requests to children, and receives the answers that come within a moment.
    void ask(std::unique_lock<std::mutex>& lock, const std::function<void()>& post);
    // Waits until `answered()`, which is called after each change, or until the Worker is closed. Returns `interrupted`
    // every 250 ms, so that the caller can handle signals. Throws bad_alloc if the books are torn.
    Waited wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& answered);
    // Takes the traces of all nodes at once.
    std::shared_ptr<NodeTraces> ask_for_traces();
    // Whether a caller is receiving answers. It stops soon, and then notifies Shared::changed.
    [[nodiscard]] bool receiving() const noexcept { return receiving_; }

private:
    [[nodiscard]] std::vector<ChildPtr> unanswered() const;

    Shared& shared_;
    Recovery& recovery_;
    bool receiving_ = false;
    AdaptiveSpin spin_{Core::offered};  // of the receiving caller
};

}  // namespace callring
