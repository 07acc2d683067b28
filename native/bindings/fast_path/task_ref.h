// TaskRef, the base of Task: one accepted task.
#pragma once

#include <pybind11/pybind11.h>

#include <new>
#include <utility>

#include "bindings/fast_path/cpython.h"
#include "bindings/task_holder.h"
#include "engine/engine.h"

namespace callring::bindings {

struct TaskRef {
    PyObject ob_base;
    PyObject* session;
    Engine* engine;  // kept alive by `session`
    TaskPtr task;
};

inline PyTypeObject* g_task_type = nullptr;

// `object` if its class derives from TaskRef; null otherwise.
[[nodiscard]] inline const TaskRef* as_task_ref(PyObject* object) noexcept {
    return PyObject_TypeCheck(object, g_task_type) != 0 ? reinterpret_cast<const TaskRef*>(object) : nullptr;
}
// Whether `type` is a class that derives from TaskRef.
[[nodiscard]] bool is_task_type(PyObject* type) noexcept;
// An instance of `type`, which must be such a class; null with an error set.
inline PyObject* new_task(PyTypeObject* type, PyObject* session, Engine* engine, TaskPtr task) {
    PyObject* self = type->tp_alloc(type, 0);
    if (self != nullptr) {
        auto* ref = reinterpret_cast<TaskRef*>(self);
        ref->session = new_reference(session);
        ref->engine = engine;
        new (&ref->task) TaskPtr(std::move(task));
    }
    return self;
}

void register_task_ref(pybind11::module_& module);

}  // namespace callring::bindings
