// Submitter, the base of Orchestrator: its run, or the graph that it records.
#pragma once

#include <pybind11/pybind11.h>
#include <structmember.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "task/captured_graph.h"

namespace callring::bindings {

namespace py = pybind11;

// The offset of one of a class's `__slots__` in its instances: a look-up by name at each use would take longer than the
// rest of the use.
class Slot {
public:
    Slot() = default;
    // Error: TypeError if `name` is no slot of `type`.
    Slot(PyObject* type, const char* name) {
        const auto member = py::reinterpret_steal<py::object>(PyObject_GetAttrString(type, name));
        if (!member) {
            throw py::error_already_set();
        }
        if (Py_TYPE(member.ptr()) != &PyMemberDescr_Type) {
            throw py::type_error(std::string(name) + " is no slot of " + std::string(py::str(type)));
        }
        offset_ = reinterpret_cast<PyMemberDescrObject*>(member.ptr())->d_member->offset;
    }
    // Borrowed; null if it is not set. `object` is of exactly that class.
    [[nodiscard]] PyObject* of(PyObject* object) const noexcept {
        return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offset_);
    }

private:
    Py_ssize_t offset_ = 0;
};

// The offsets of the slots of handles that a submit reads, and the class of arguments. They are looked up once, not for
// each run: that would take longer than all other work of making a Submitter.
struct Layout {
    py::object handle_type;  // CallableHandle
    py::object args_type;    // TaskArgs
    Slot token, hashid;      // of a handle
};

// The index of a child that a task was submitted for.
struct Placed {
    PyObject* id = nullptr;
    std::int32_t index = 0;
};

struct Submitter {
    PyObject ob_base;
    PyObject* session;
    PyObject* registry;          // the owner of the tokens that are valid here
    PyObject* task_type;         // Task, a subclass of TaskRef; GraphTask while a graph is captured
    PyObject* graph;             // the CapturedGraph that records the submits; null if tasks run
    PyObject* next_level_names;  // the namespaces, by identity
    PyObject* python_names;
    PyObject* placements;  // dict: id of a child to its index
    PyObject* to_native;   // converts a CallConfig to the native one
    PyObject* config;      // the last one that was converted
    std::array<Placed, 8> placed;
    const Layout* layout;  // null until it is initialised
    CallConfig native_config;
    std::shared_ptr<Engine> engine;
    RunPtr run;                                // null while a graph is captured
    std::shared_ptr<CapturedGraph> recording;  // null while tasks run
    std::vector<NodeId> earlier;               // while a graph is captured: the same as `after`
    std::vector<TaskPtr> after;                // used by each submit; a member, so that its memory is allocated once
};

// The slots of the Python type.
int submitter_traverse(PyObject* self, visitproc visit, void* arg);
int submitter_clear(PyObject* self);
PyObject* submitter_new(PyTypeObject* type, PyObject* args, PyObject* kwargs);
int submitter_init(PyObject* self, PyObject* args, PyObject* kwargs);

}  // namespace callring::bindings
