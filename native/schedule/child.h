// Child: everything that the parent holds of one process below it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "control/requests.h"
#include "lane/parent_lane.h"
#include "schedule/task.h"
#include "supervise/process.h"

namespace callring {

enum class ChildState : std::uint8_t { starting, ready, lost, closed };

struct Child {
    std::uint32_t index = 0;  // position among all children, stable
    ChildKind kind = ChildKind::chip;
    std::uint32_t id = 0;  // chip id or sub-worker number, as the user knows it
    std::uint32_t incarnation = 1;
    std::unique_ptr<ParentLane> lane;
    std::unique_ptr<Requests> requests;

    // Under the engine's lock.
    ChildState state = ChildState::starting;
    Process process;
    ExitStatus exit_status;
    std::deque<TaskPtr> in_flight;              // by frame sequence
    std::deque<TaskPtr> backlog;                // ready for exactly this child, waiting for room in its lane
    std::map<Digest, std::uint32_t> installed;  // identity to number of registrations
    std::uint64_t completed = 0;

    // Payloads that came by the control plane before their completion, by frame sequence.
    std::mutex payload_mutex;
    std::map<std::uint64_t, std::string> payloads;
    std::mutex receive_mutex;  // one receiver at a time

    // "chip 3", "sub-worker 0": how messages name it.
    [[nodiscard]] std::string name() const {
        switch (kind) {
            case ChildKind::chip:
                return "chip " + std::to_string(id);
            case ChildKind::sub:
                return "sub-worker " + std::to_string(id);
            case ChildKind::fork_server:
                break;
        }
        return "the fork server";
    }
};

using ChildPtr = std::shared_ptr<Child>;

}  // namespace callring
