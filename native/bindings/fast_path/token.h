// Token: belongs to one registration, and to the handle that the registration made.
#pragma once

#include <pybind11/pybind11.h>

#include "task/callable.h"

namespace callring::bindings {

struct Token {
    PyObject ob_base;
    PyObject* owner;
    PyObject* native;
    PyObject* hashid;
    PyObject* kind;
    PyObject* target_namespace;
    PyObject* label;
    char live;
    CallablePtr callable;
};

inline PyTypeObject* g_token_type = nullptr;

// `object` if it is exactly a Token; null otherwise.
[[nodiscard]] inline const Token* as_token(PyObject* object) noexcept {
    return Py_TYPE(object) == g_token_type ? reinterpret_cast<const Token*>(object) : nullptr;
}

void register_token(pybind11::module_& module);

}  // namespace callring::bindings
