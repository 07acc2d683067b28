// ArgsBuilder: the arguments that Python adds one by one. Tasks share them; a change after a submit is made in a copy.
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
    // The arguments, to be changed: no other owner sees the change.
    [[nodiscard]] TaskArgs& own() {
        if (args_.use_count() > 1) {
            args_ = std::make_shared<TaskArgs>(*args_);
        }
        // Orders the dropping of references by other owners, on any thread, before the change.
#ifdef __SANITIZE_THREAD__
        static_cast<void>(ArgsPtr(args_));  // this sanitizer has no fences, but sees the count's atomic operations
#else
        std::atomic_thread_fence(std::memory_order_acquire);
#endif
        return *args_;
    }

    // Throws TypeError if a task may only read the tensor, and `tag` is another.
    void add(const TensorView& tensor, Tag tag) {
        if (tensor.read_only && tag != Tag::input && tag != Tag::no_dep) {
            throw pybind11::type_error("this tensor came from above as an INPUT: tasks below may only read it");
        }
        own().tensors.push_back({tensor, tag});
    }
    // Removes all arguments, and makes room for `tensors` tensors.
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
