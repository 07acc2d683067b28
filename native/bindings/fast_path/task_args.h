// TaskArgsBase, the base of TaskArgs: arguments of a task, which are added one after the other.
#pragma once

#include <pybind11/pybind11.h>

#include "bindings/task_args.h"

namespace callring::bindings {

struct TaskArgsObject {
    PyObject ob_base;
    PyObject* arrays;      // list of (tag, array or Tensor), from the first plain array on; null without plain arrays
    PyObject* parameters;  // tuple of (position, Scalar); null without Scalars
    ArgsBuilder builder;

    [[nodiscard]] bool has_arrays() const noexcept {
        return arrays != nullptr && PyList_CheckExact(arrays) != 0 && PyList_GET_SIZE(arrays) != 0;
    }
};

inline PyTypeObject* g_args_type = nullptr;

// `object` if its class derives from TaskArgsBase; null otherwise.
[[nodiscard]] inline TaskArgsObject* as_task_args(PyObject* object) noexcept {
    return PyObject_TypeCheck(object, g_args_type) != 0 ? reinterpret_cast<TaskArgsObject*>(object) : nullptr;
}

void register_task_args(pybind11::module_& module);

}  // namespace callring::bindings
