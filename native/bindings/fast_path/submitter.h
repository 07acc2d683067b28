// Submitter, the base of Orchestrator: what it knows of its run, or of the graph that it records.
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

// Where the instances of a class keep one of its `__slots__`: to ask for it by name, each time, takes longer than all
// else that is done with it.
class Slot {
public:
    Slot() = default;
    // Error: TypeError, if `name` is no slot of `type`.
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

// Where the class of handles keeps what a submit reads of them, and which class arguments are of. It is looked up once,
// not for each run: that would take longer than all else that makes a Submitter.
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
    PyObject* registry;          // owner of the tokens that are valid here
    PyObject* task_type;         // Task, a subclass of TaskRef; GraphTask while a graph is captured
    PyObject* graph;             // the CapturedGraph that records what is submitted; null: it runs
    PyObject* next_level_names;  // the namespaces, by identity
    PyObject* python_names;
    PyObject* placements;  // dict: id of a child to its index
    PyObject* to_native;   // turns a CallConfig into ours
    PyObject* config;      // the last one, and what it became
    std::array<Placed, 8> placed;
    const Layout* layout;  // null until it is initialised
    CallConfig native_config;
    std::shared_ptr<Engine> engine;
    RunPtr run;                                // null while a graph is captured
    std::shared_ptr<CapturedGraph> recording;  // null otherwise
    std::vector<NodeId> earlier;               // likewise as `after`
    std::vector<TaskPtr> after;  // of the submit that is under way; a member, so that the next one finds room
};

// Its slots.
int submitter_traverse(PyObject* self, visitproc visit, void* arg);
int submitter_clear(PyObject* self);
PyObject* submitter_new(PyTypeObject* type, PyObject* args, PyObject* kwargs);
int submitter_init(PyObject* self, PyObject* args, PyObject* kwargs);

}  // namespace callring::bindings
