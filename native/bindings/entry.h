// Functions that CPython calls directly: slots of types, methods, getters. A C++ exception that left such a function
// would end the process. So CPython gets each function as an `Entry`, which turns C++ exceptions into Python
// exceptions. Functions that pybind11 binds do not need this: pybind11 does the same.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <new>
#include <stdexcept>
#include <string_view>
#include <type_traits>

namespace callring::bindings {

namespace py = pybind11;

// Whether pybind11 threw `error` because CPython had no memory for an object.
inline bool is_allocation_failure(const std::runtime_error& error) noexcept {
    return std::string_view(error.what()).starts_with("Could not allocate");
}

// Sets the Python exception for the C++ exception that is being handled.
inline void set_python_error() noexcept {
    try {
        throw;
    } catch (py::error_already_set& error) {
        error.restore();
    } catch (const py::cast_error& error) {
        PyErr_SetString(PyExc_TypeError, error.what());
    } catch (const py::builtin_exception& error) {
        error.set_error();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::runtime_error& error) {
        if (is_allocation_failure(error)) {
            PyErr_NoMemory();
        } else {
            PyErr_SetString(PyExc_RuntimeError, error.what());
        }
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    } catch (...) {
        PyErr_SetString(PyExc_RuntimeError, "an unknown C++ exception");
    }
}

template <auto function, class Type = decltype(function)>
struct Entry;

template <auto function, class Return, class... Args>
struct Entry<function, Return (*)(Args...)> {
    static Return call(Args... args) noexcept {
        try {
            return function(args...);
        } catch (...) {
            set_python_error();
        }
        if constexpr (std::is_void_v<Return>) {
            PyErr_WriteUnraisable(nullptr);  // a destructor cannot fail
        } else if constexpr (std::is_pointer_v<Return>) {
            return nullptr;
        } else {
            return -1;
        }
    }
};

template <auto function>
PyType_Slot slot(int id) noexcept {
    return {id, reinterpret_cast<void*>(&Entry<function>::call)};
}

template <auto function>
PyMethodDef keyword_method(const char* name, const char* doc) noexcept {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&Entry<function>::call)),
            METH_FASTCALL | METH_KEYWORDS, doc};
}

template <auto function>
PyGetSetDef property(const char* name, const char* doc) noexcept {
    return {name, &Entry<function>::call, nullptr, doc, nullptr};
}

}  // namespace callring::bindings
