#include "bindings/fast_path/submitter.h"

#include <forward_list>
#include <new>
#include <utility>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/fast_path/cpython.h"
#include "bindings/fast_path/graph_task_ref.h"
#include "bindings/fast_path/task_args.h"
#include "bindings/fast_path/task_ref.h"
#include "bindings/fast_path/token.h"

namespace callring::bindings {

namespace {

const Layout& layout_of(PyObject* handle_type, PyObject* args_type) {
    static auto* known = new std::forward_list<Layout>();  // never deleted, as the classes are not
    for (const Layout& layout : *known) {
        if (layout.handle_type.ptr() == handle_type && layout.args_type.ptr() == args_type) {
            return layout;
        }
    }
    known->push_front({py::reinterpret_borrow<py::object>(handle_type), py::reinterpret_borrow<py::object>(args_type),
                       Slot(handle_type, "_token"), Slot(handle_type, "hashid")});
    return known->front();
}

// Every PyObject* of a Submitter, for the garbage collector.
template <class Visit>
int for_each_object(Submitter& self, const Visit& visit) {
    for (PyObject** object : {&self.session, &self.registry, &self.task_type, &self.graph, &self.next_level_names,
                              &self.python_names, &self.placements, &self.to_native, &self.config}) {
        if (const int stop = visit(object)) {
            return stop;
        }
    }
    return 0;
}

}  // namespace

int submitter_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return for_each_object(*reinterpret_cast<Submitter*>(self),
                           [&](PyObject** object) { return *object != nullptr ? visit(*object, arg) : 0; });
}

int submitter_clear(PyObject* self) {
    auto& submitter = *reinterpret_cast<Submitter*>(self);
    for (Placed& placed : submitter.placed) {
        Py_CLEAR(placed.id);
    }
    return for_each_object(submitter, [](PyObject** object) {
        Py_CLEAR(*object);
        return 0;
    });
}

PyObject* submitter_new(PyTypeObject* type, PyObject* /*args*/, PyObject* /*kwargs*/) {
    PyObject* self = type->tp_alloc(type, 0);
    if (self != nullptr) {
        auto* submitter = reinterpret_cast<Submitter*>(self);
        new (&submitter->native_config) CallConfig();
        new (&submitter->engine) std::shared_ptr<Engine>();
        new (&submitter->run) RunPtr();
        new (&submitter->recording) std::shared_ptr<CapturedGraph>();
        new (&submitter->earlier) std::vector<NodeId>();
        new (&submitter->after) std::vector<TaskPtr>();
    }
    return self;
}

int submitter_init(PyObject* self, PyObject* args, PyObject* /*kwargs*/) {
    auto& submitter = *reinterpret_cast<Submitter*>(self);
    PyObject* engine = nullptr;
    PyObject* run = nullptr;
    PyObject* handle_type = nullptr;
    PyObject* args_type = nullptr;
    std::array<PyObject*, 7> given{};
    if (PyArg_ParseTuple(args, "OOOOOOOOOO!O", &engine, &run, &given[0], &given[1], &handle_type, &args_type, &given[2],
                         &given[3], &given[4], &PyDict_Type, &given[5], &given[6]) == 0) {
        return -1;
    }
    submitter.layout = &layout_of(handle_type, args_type);
    submitter.engine = py::handle(engine).cast<std::shared_ptr<Engine>>();
    const bool records = exactly<CapturedGraph>(run) != nullptr;
    if (records) {
        submitter.recording = py::handle(run).cast<std::shared_ptr<CapturedGraph>>();
        Py_XSETREF(submitter.graph, new_reference(run));
    } else {
        submitter.run = py::handle(run).cast<RunPtr>();
    }
    if (!(records ? is_graph_task_type(given[2]) : is_task_type(given[2]))) {
        PyErr_SetString(PyExc_TypeError,
                        "the class of tasks must derive from TaskRef, that of recorded tasks from GraphTaskRef");
        return -1;
    }
    std::size_t i = 0;
    for (PyObject** object :
         {&submitter.session, &submitter.registry, &submitter.task_type, &submitter.next_level_names,
          &submitter.python_names, &submitter.placements, &submitter.to_native}) {
        Py_XSETREF(*object, new_reference(given.at(i++)));
    }
    return 0;
}

}  // namespace callring::bindings
