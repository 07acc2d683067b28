// Binds GraphTaskRef.
#include "bindings/fast_path/graph_task_ref.h"

#include <structmember.h>

#include <array>

#include "bindings/bindings.h"
#include "bindings/fast_path/cpython.h"

namespace callring::bindings {

namespace {

int graph_task_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<GraphTaskRef*>(self)->graph);
    return 0;
}

int graph_task_clear(PyObject* self) {
    Py_CLEAR(reinterpret_cast<GraphTaskRef*>(self)->graph);
    return 0;
}

PyObject* graph_task_new(PyTypeObject* type, PyObject* args, PyObject* /*kwargs*/) {
    PyObject* graph = nullptr;
    unsigned int node = 0;
    return PyArg_ParseTuple(args, "OI", &graph, &node) == 0 ? nullptr : new_graph_task(type, graph, node);
}

}  // namespace

bool is_graph_task_type(PyObject* type) noexcept {
    return PyType_Check(type) != 0 && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), g_graph_task_type) != 0;
}

PyObject* new_graph_task(PyTypeObject* type, PyObject* graph, NodeId node) {
    PyObject* self = type->tp_alloc(type, 0);
    if (self != nullptr) {
        auto* ref = reinterpret_cast<GraphTaskRef*>(self);
        ref->graph = new_reference(graph);
        ref->node = node;
    }
    return self;
}

void register_graph_task_ref(py::module_& module) {
    static std::array<PyMemberDef, 3> graph_task_members{{
        {"_graph", T_OBJECT_EX, offsetof(GraphTaskRef, graph), READONLY, nullptr},
        {"node", T_UINT, offsetof(GraphTaskRef, node), READONLY, "Its number in the graph."},
        {},
    }};
    static std::array<PyType_Slot, 7> graph_task_slots{{
        {Py_tp_doc, const_cast<char*>("One recorded task: (graph, node).")},
        slot<&graph_task_new>(Py_tp_new),
        slot<&deallocate<GraphTaskRef, graph_task_clear>>(Py_tp_dealloc),
        slot<&graph_task_traverse>(Py_tp_traverse),
        slot<&graph_task_clear>(Py_tp_clear),
        {Py_tp_members, graph_task_members.data()},
        {0, nullptr},
    }};
    g_graph_task_type = add_type(module,
                                 {"runtime._core.GraphTaskRef", sizeof(GraphTaskRef), 0,
                                  kCollected | Py_TPFLAGS_BASETYPE, graph_task_slots.data()},
                                 "GraphTaskRef");
}

}  // namespace callring::bindings
