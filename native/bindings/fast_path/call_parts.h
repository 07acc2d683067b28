// Converts the parts of a call to a Submitter. In a header, so that the compiler inlines them into the two or three
// calls that use them: a whole submit takes no longer than thirty function calls.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "bindings/fast_path/cpython.h"
#include "bindings/fast_path/graph_task_ref.h"
#include "bindings/fast_path/submitter.h"
#include "bindings/fast_path/task_args.h"
#include "bindings/fast_path/task_ref.h"
#include "bindings/fast_path/token.h"

namespace callring::bindings {

// Clears an error that will occur again in the Python half, which explains it. Throws a KeyboardInterrupt, which would
// not occur again.
inline void leave_to_python() {
    if (PyErr_ExceptionMatches(PyExc_Exception) == 0) {
        throw py::error_already_set();
    }
    PyErr_Clear();
}

// The callable of `handle`, if the registry made this handle and it is still valid. Null for any other handle: the
// Python half then explains what is wrong with it (docs/explanation/identity.md).
inline CallablePtr resolve(const Submitter& self, PyObject* handle, PyObject* names) {
    if (self.layout == nullptr || reinterpret_cast<PyObject*>(Py_TYPE(handle)) != self.layout->handle_type.ptr()) {
        return nullptr;
    }
    PyObject* object = self.layout->token.of(handle);
    const Token* token = object != nullptr ? as_token(object) : nullptr;
    if (token == nullptr || token->owner != self.registry || token->live == 0 || token->target_namespace != names ||
        self.layout->hashid.of(handle) != token->hashid) {
        return nullptr;
    }
    return token->callable;
}

// The index of the child `id`. CPython has one object for each small integer, one next to the other, so that the ids of
// up to eight children are found without the dictionary. Empty if the Python half has to handle it.
inline std::optional<std::int32_t> placement_of(Submitter& self, PyObject* id) {
    Placed& placed = self.placed[reinterpret_cast<std::uintptr_t>(id) / sizeof(PyLongObject) % self.placed.size()];
    if (placed.id == id) {
        return placed.index;
    }
    const bool known = self.placements != nullptr && PyLong_CheckExact(id) != 0;
    PyObject* index = known ? PyDict_GetItemWithError(self.placements, id) : nullptr;
    if (index == nullptr) {
        return std::nullopt;
    }
    placed.index = static_cast<std::int32_t>(PyLong_AsLong(index));
    Py_XSETREF(placed.id, new_reference(id));
    return placed.index;
}

// The arguments; empty ones for None. Null if the Python half has to handle them.
inline ArgsPtr take_args(const Submitter& self, PyObject* given) {
    if (given == nullptr || given == Py_None) {
        return no_arguments();
    }
    if (reinterpret_cast<PyObject*>(Py_TYPE(given)) != self.layout->args_type.ptr()) {
        return nullptr;
    }
    const TaskArgsObject* args = as_task_args(given);
    if (args == nullptr || args->has_arrays() || (self.recording && args->parameters != nullptr)) {
        return nullptr;
    }
    return args->builder.share();
}

// False if the Python half has to handle it.
inline bool take_config(Submitter& self, PyObject* given, CallConfig& config) {
    if (given == nullptr || given == Py_None) {
        return true;
    }
    if (given != self.config) {
        const auto native = py::reinterpret_steal<py::object>(PyObject_CallOneArg(self.to_native, given));
        if (!native) {
            leave_to_python();
            return false;
        }
        self.native_config = native.cast<CallConfig>();
        Py_XSETREF(self.config, new_reference(given));  // it is immutable, and kept alive while it is the last one
    }
    config = self.native_config;
    return true;
}

// The placement of each of `count` tasks: `workers` is null (any sub-worker), an id, or as many ids. Empty if the
// Python half has to handle it.
inline std::optional<std::vector<std::int32_t>> placements_of(Submitter& self, PyObject* workers, Py_ssize_t count) {
    const auto size = static_cast<std::size_t>(count);
    if (workers == nullptr) {
        return std::vector<std::int32_t>(size, kAnyChild);
    }
    if (PyLong_CheckExact(workers) != 0) {
        const auto one = placement_of(self, workers);
        return one ? std::optional(std::vector<std::int32_t>(size, *one)) : std::nullopt;
    }
    if ((PyList_CheckExact(workers) == 0 && PyTuple_CheckExact(workers) == 0) ||
        PySequence_Fast_GET_SIZE(workers) != count) {
        return std::nullopt;
    }
    std::vector<std::int32_t> placements;
    placements.reserve(size);
    for (Py_ssize_t i = 0; i < count; ++i) {
        const auto one = placement_of(self, PySequence_Fast_GET_ITEM(workers, i));
        if (!one) {
            return std::nullopt;
        }
        placements.push_back(*one);
    }
    return placements;
}

// Fills `found` with what `find` returns for each item of a list or tuple. False if the Python half has to handle it:
// `find` returned null for an item, or it is neither list nor tuple.
template <class Found, class Find>
bool take_each(PyObject* given, std::vector<Found>& found, const Find& find) {
    found.clear();
    if (given == nullptr) {
        return true;
    }
    if (PyList_CheckExact(given) == 0 && PyTuple_CheckExact(given) == 0) {
        return false;
    }
    PyObject** items = PySequence_Fast_ITEMS(given);
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(given);
    found.reserve(static_cast<std::size_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
        const Found* one = find(items[i]);
        if (one == nullptr) {
            return false;
        }
        found.push_back(*one);
    }
    return true;
}

// Takes tasks of this run, from a list or a tuple. False if the Python half has to handle them.
inline bool take_after(Submitter& self, PyObject* given) {
    return take_each(given, self.after, [&self](PyObject* item) -> const TaskPtr* {
        const TaskRef* ref = as_task_ref(item);
        const bool is_ours = ref != nullptr && ref->engine == self.engine.get() && ref->task->run_id == self.run->id;
        return is_ours ? &ref->task : nullptr;
    });
}

// The same for tasks of the graph that is being captured.
inline bool take_earlier(Submitter& self, PyObject* given) {
    return take_each(given, self.earlier, [&self](PyObject* item) -> const NodeId* {
        const GraphTaskRef* ref = as_graph_task_ref(item);
        return ref != nullptr && ref->graph == self.graph ? &ref->node : nullptr;
    });
}

}  // namespace callring::bindings
