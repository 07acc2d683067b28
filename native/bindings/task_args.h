// ArgsBuilder: what Python fills with arguments. Tasks share what it holds; a change after a submit makes a copy first.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <cstddef>
#include <memory>

#include "memory/task_args.h"

namespace callring::bindings {

class ArgsBuilder {
public:
    [[nodiscard]] ArgsPtr share() const noexcept { return args_; }
    [[nodiscard]] const TaskArgs& view() const noexcept { return *args_; }
    // To be changed: no other owner sees it.
    [[nodiscard]] TaskArgs& own() {
        if (args_.use_count() > 1) {
            args_ = std::make_shared<TaskArgs>(*args_);
        }
        // Other owners, on any thread, drop their references before we write.
#ifdef __SANITIZE_THREAD__
        static_cast<void>(ArgsPtr(args_));  // it knows no fences, but sees the count that goes up and down
#else
        std::atomic_thread_fence(std::memory_order_acquire);
#endif
        return *args_;
    }

    // Throws TypeError: a task may only read the tensor.
    void add(const TensorView& tensor, Tag tag) {
        if (tensor.read_only && tag != Tag::input && tag != Tag::no_dep) {
            throw pybind11::type_error("this tensor came from above as an INPUT: tasks below may only read it");
        }
        own().tensors.push_back({tensor, tag});
    }
    // Empty again, with room for so many tensors.
    void reset(std::size_t tensors) {
        if (!args_->tensors.empty() || !args_->scalars.empty()) {
            args_ = std::make_shared<TaskArgs>();
        }
        own().tensors.reserve(tensors);
    }

private:
    std::shared_ptr<TaskArgs> args_ = std::make_shared<TaskArgs>();
};

}  // namespace callring::bindings
