// GraphTaskRef, the base of GraphTask: one recorded task.
#pragma once

#include <pybind11/pybind11.h>

#include "task/captured_graph.h"

namespace callring::bindings {

struct GraphTaskRef {
    PyObject ob_base;
    PyObject* graph;  // the CapturedGraph of this node
    NodeId node;
};

inline PyTypeObject* g_graph_task_type = nullptr;

// `object` if its class derives from GraphTaskRef; null otherwise.
[[nodiscard]] inline const GraphTaskRef* as_graph_task_ref(PyObject* object) noexcept {
    return PyObject_TypeCheck(object, g_graph_task_type) != 0 ? reinterpret_cast<const GraphTaskRef*>(object) : nullptr;
}
// Whether `type` is a class that derives from GraphTaskRef.
[[nodiscard]] bool is_graph_task_type(PyObject* type) noexcept;
// An instance of `type`, which must be such a class; null with an error set.
PyObject* new_graph_task(PyTypeObject* type, PyObject* graph, NodeId node);

void register_graph_task_ref(pybind11::module_& module);

}  // namespace callring::bindings
