// ModelledGraph: the parts of a task graph that decide its virtual time: the demand, the placement and the predecessors
// of each task. Guarantees: holds no tensor and no callable; a few words for each task. Not thread-safe while it grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "memory/task_args.h"
#include "virtual_time/chip_model.h"

namespace callring {

inline constexpr std::int32_t kAnySubWorker = -1;

// A task, or one member of a group.
struct ModelledFrame {
    std::int32_t placement = kAnySubWorker;  // index of the only chip that may run it, or kAnySubWorker
    std::uint32_t callable = 0;              // index among the costs
    TaskDemand demand;
};

class ModelledGraph {
public:
    // Adds a task after earlier ones: one frame, or the frames of a group, which begin together, on distinct chips or
    // all on sub-workers. The numbers of predecessors are less than its own number, size().
    void add(std::span<const ModelledFrame> frames, std::span<const std::uint32_t> predecessors) {
        frames_.insert(frames_.end(), frames.begin(), frames.end());
        predecessors_.insert(predecessors_.end(), predecessors.begin(), predecessors.end());
        first_frame_.push_back(static_cast<std::uint32_t>(frames_.size()));
        first_predecessor_.push_back(static_cast<std::uint32_t>(predecessors_.size()));
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(first_frame_.size() - 1); }
    [[nodiscard]] std::span<const ModelledFrame> frames() const noexcept { return frames_; }
    [[nodiscard]] std::span<const ModelledFrame> frames(std::uint32_t task) const noexcept {
        return std::span(frames_).subspan(first_frame_[task], first_frame_[task + 1] - first_frame_[task]);
    }
    // Position of the task's first frame among all.
    [[nodiscard]] std::uint32_t first_frame(std::uint32_t task) const noexcept { return first_frame_[task]; }
    [[nodiscard]] std::span<const std::uint32_t> predecessors(std::uint32_t task) const noexcept {
        return std::span(predecessors_)
            .subspan(first_predecessor_[task], first_predecessor_[task + 1] - first_predecessor_[task]);
    }
    [[nodiscard]] std::size_t edge_count() const noexcept { return predecessors_.size(); }

private:
    std::vector<ModelledFrame> frames_;
    std::vector<std::uint32_t> first_frame_{0};
    std::vector<std::uint32_t> predecessors_;
    std::vector<std::uint32_t> first_predecessor_{0};
};

// The bytes that a task moves: those of each tensor that it reads, and of each that it writes; both for INOUT.
[[nodiscard]] inline std::uint64_t moved_bytes(const TaskArgs& args) noexcept {
    std::uint64_t bytes = 0;
    for (const TensorArg& argument : args.tensors) {
        const std::uint64_t times = argument.tag == Tag::inout ? 2 : 1;
        bytes += times * argument.tensor.elements() * element_bytes(argument.tensor.dtype);
    }
    return bytes;
}

}  // namespace callring
