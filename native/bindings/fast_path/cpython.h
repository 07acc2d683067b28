// Helpers of the types that use CPython's C API directly.
#pragma once

#include <pybind11/pybind11.h>
#include <structmember.h>

#include "bindings/entry.h"

namespace callring::bindings {

inline PyObject* new_reference(PyObject* object) {
    Py_INCREF(object);
    return object;
}

template <class Object, inquiry clear>
void deallocate(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    reinterpret_cast<Object*>(self)->~Object();
    type->tp_free(self);
    Py_DECREF(type);
}

// Makes the type and adds it to `module`.
inline PyTypeObject* add_type(py::module_& module, PyType_Spec spec, const char* name) {
    auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
    if (!type) {
        throw py::error_already_set();
    }
    module.attr(name) = type;
    return reinterpret_cast<PyTypeObject*>(type.ptr());
}

inline constexpr unsigned kCollected = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;

}  // namespace callring::bindings
