#include "bindings/wrappers.h"

#include <unordered_map>
#include <utility>

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

// Called by CPython, which does not let them through.
PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return py::detail::pybind11_object_new(type, args, kwargs);
}

// As pybind11's function, which raises BufferError when there is no memory.
int get_buffer(PyObject* object, Py_buffer* view, int flags) {
    const int code = py::detail::pybind11_getbuffer(object, view, flags);
    if (code != 0) {
        PyObject *type = nullptr, *error = nullptr, *traceback = nullptr;
        PyErr_Fetch(&type, &error, &traceback);
        PyErr_NormalizeException(&type, &error, &traceback);
        const auto cause = py::reinterpret_steal<py::object>(PyException_GetCause(error));
        PyErr_Restore(type, error, traceback);
        if (cause && PyErr_GivenExceptionMatches(cause.ptr(), PyExc_MemoryError) != 0) {
            PyErr_SetObject(PyExc_MemoryError, cause.ptr());
        }
    }
    return code;
}

using Adopt = void (*)(py::detail::instance*, const void*);

// pybind11's function of each type that gives a Python object its C++ object.
std::unordered_map<const py::detail::type_info*, Adopt>& adopts() {
    static std::unordered_map<const py::detail::type_info*, Adopt> by_type;
    return by_type;
}

// Calls pybind11's function, which records the object. An exception in it would end the process, or delete the object
// although another owner holds it. So it allocates from the reserve.
void adopt(py::detail::instance* object, const void* holder) {
    static Books books;
    const KeepsBooks keeps(books);
    adopts().at(py::detail::get_type_info(Py_TYPE(object)))(object, holder);
}

}  // namespace

void raise_without_memory(const py::module_& module) {
    static_cast<void>(memory_reserve_is_whole());
    for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(module.attr("__dict__"))) {
        if (!PyType_Check(value.ptr())) {
            continue;
        }
        auto* const type = reinterpret_cast<PyTypeObject*>(value.ptr());
        if (type->tp_new == &py::detail::pybind11_object_new) {
            py::detail::type_info* const info = py::detail::get_type_info(type);
            adopts().emplace(info, std::exchange(info->init_instance, &adopt));
            type->tp_alloc = &allocate;
            type->tp_new = &Entry<&construct>::call;
            if (type->tp_as_buffer != nullptr && type->tp_as_buffer->bf_getbuffer != nullptr) {
                type->tp_as_buffer->bf_getbuffer = &Entry<&get_buffer>::call;
            }
        }
    }
}

}  // namespace callring::bindings
