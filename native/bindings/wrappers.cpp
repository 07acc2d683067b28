#include "bindings/wrappers.h"

#include "bindings/entry.h"
#include "memory/reserve.h"

namespace callring::bindings {

namespace {

// Called by pybind11 only, which lets C++ exceptions through.
PyObject* allocate(PyTypeObject* type, Py_ssize_t items) {
    PyObject* const object = PyType_GenericAlloc(type, items);
    if (object == nullptr) {
        PyErr_Clear();
        throw_out_of_memory();
    }
    return object;
}

// Called by CPython, which does not.
PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return py::detail::pybind11_object_new(type, args, kwargs);
}

}  // namespace

void raise_without_memory(const py::module_& module) {
    for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(module.attr("__dict__"))) {
        if (!PyType_Check(value.ptr())) {
            continue;
        }
        auto* const type = reinterpret_cast<PyTypeObject*>(value.ptr());
        if (type->tp_new == &py::detail::pybind11_object_new) {
            type->tp_alloc = &allocate;
            type->tp_new = &Entry<&construct>::call;
        }
    }
}

}  // namespace callring::bindings
