// TaskBlock: the tasks of one launch, in one block of memory, so that a launch allocates nothing for each task.
// Guarantees: owns each of its tasks until it is destroyed; the memory is freed after that, once none of the tasks has
// another owner. Not thread-safe, but the tasks' other owners may be in any thread.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <utility>

#include "task/task.h"

namespace callring {

class TaskBlock {
public:
    TaskBlock() noexcept = default;
    // `size` new tasks.
    explicit TaskBlock(std::size_t size) {
        if (size > 0) {
            void* const block = ::operator new(kFirst + (size * sizeof(Task)));
            memory_ = new (block) TaskMemory(size);
            Task* const first = reinterpret_cast<Task*>(static_cast<std::byte*>(block) + kFirst);
            for (std::size_t i = 0; i < size; ++i) {
                (new (first + i) Task())->memory = memory_;
            }
            tasks_ = {first, size};
        }
    }
    TaskBlock(TaskBlock&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)), tasks_(std::exchange(other.tasks_, {})) {}
    TaskBlock& operator=(TaskBlock other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(tasks_, other.tasks_);
        return *this;
    }
    ~TaskBlock() {
        if (memory_ != nullptr) {
            std::size_t dropped = 0;
            for (Task& task : tasks_) {
                if (task.give_up()) {
                    task.~Task();
                    ++dropped;
                }
            }
            memory_->drop(dropped);  // together: each change of the counter is an atomic one
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }
    [[nodiscard]] Task& operator[](std::size_t id) const noexcept { return tasks_[id]; }
    [[nodiscard]] std::span<Task> all() const noexcept { return tasks_; }

private:
    static constexpr std::size_t kFirst = (sizeof(TaskMemory) + alignof(Task) - 1) / alignof(Task) * alignof(Task);
    static_assert(alignof(Task) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

    TaskMemory* memory_ = nullptr;
    std::span<Task> tasks_;
};

}  // namespace callring
