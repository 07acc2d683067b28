// Binds TaskRef.
#include "bindings/fast_path/task_ref.h"

#include <structmember.h>

#include <array>
#include <new>
#include <optional>
#include <utility>

#include "bindings/bindings.h"
#include "bindings/fast_path/cpython.h"
#include "bindings/values.h"
#include "bindings/wait.h"

namespace callring::bindings {

namespace {

PyObject* g_result = nullptr;  // the name of the Python method behind result()

int task_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<TaskRef*>(self)->session);
    return 0;
}

int task_clear(PyObject* self) {
    Py_CLEAR(reinterpret_cast<TaskRef*>(self)->session);
    return 0;
}

PyObject* task_new(PyTypeObject* type, PyObject* args, PyObject* /*kwargs*/) {
    PyObject* session = nullptr;
    PyObject* engine = nullptr;
    PyObject* native = nullptr;
    if (PyArg_ParseTuple(args, "OOO", &session, &engine, &native) == 0) {
        return nullptr;
    }
    auto* owner = py::handle(engine).cast<Engine*>();
    auto task = py::handle(native).cast<TaskPtr>();
    if (owner == nullptr || !task) {
        throw py::type_error("a TaskRef takes an engine, and a task of that engine");
    }
    return new_task(type, session, owner, std::move(task));
}

PyObject* task_native(PyObject* self, void* /*closure*/) {
    return py::cast(reinterpret_cast<TaskRef*>(self)->task).release().ptr();
}

// The value of an ended task. Null without an error set if it failed, is a group, or memory is short.
PyObject* value_of(const TaskRef& ref) {
    if (ref.task->code != Code::ok || !ref.task->members.empty()) {
        return nullptr;
    }
    try {
        return unpack_value(ref.task->payload, ref.task->extents.get()).release().ptr();
    } catch (const std::bad_alloc&) {
        PyErr_Clear();  // set if there was no memory to throw it
        return nullptr;
    } catch (py::error_already_set& raised) {
        if (!raised.matches(PyExc_MemoryError)) {
            throw;
        }
        return nullptr;
    }
}

PyObject* task_result(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    const auto& ref = *reinterpret_cast<TaskRef*>(self);
    if (count == 0 && names == nullptr && !ref.engine->is_parents()) {
        if (!ref.engine->poll_task(ref.task)) {
            wait_interruptibly([&] { return ref.engine->wait_for_task(ref.task, std::nullopt); });
        }
        if (PyObject* value = value_of(ref)) {
            return value;
        }
    }
    const auto explain = py::reinterpret_steal<py::object>(PyObject_GetAttr(self, g_result));
    return explain ? PyObject_Vectorcall(explain.ptr(), args, static_cast<std::size_t>(count), names) : nullptr;
}

}  // namespace

bool is_task_type(PyObject* type) noexcept {
    return PyType_Check(type) != 0 && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), g_task_type) != 0;
}

void register_task_ref(py::module_& module) {
    g_result = PyUnicode_InternFromString("_result");
    static std::array<PyMethodDef, 2> task_methods{{
        keyword_method<&task_result>(
            "result",
            "result($self, timeout=None)\n--\n\n"
            "What the Python callable returned; None for chip callables.\n\n"
            "Raises:\n"
            "    TimeoutError: the task has not ended within ``timeout`` seconds.\n"
            "    The task's own error: what the callable raised, ChipError, WorkerLost, or TaskSkipped."),
        {},
    }};
    static std::array<PyGetSetDef, 2> task_properties{{
        property<&task_native>("_native", "The engine's task."),
        {},
    }};
    static std::array<PyMemberDef, 2> task_members{{
        {"_session", T_OBJECT_EX, offsetof(TaskRef, session), READONLY, nullptr},
        {},
    }};
    static std::array<PyType_Slot, 9> task_slots{{
        {Py_tp_doc, const_cast<char*>("One accepted task: (session, engine, task).")},
        slot<&task_new>(Py_tp_new),
        slot<&deallocate<TaskRef, task_clear>>(Py_tp_dealloc),
        slot<&task_traverse>(Py_tp_traverse),
        slot<&task_clear>(Py_tp_clear),
        {Py_tp_methods, task_methods.data()},
        {Py_tp_getset, task_properties.data()},
        {Py_tp_members, task_members.data()},
        {0, nullptr},
    }};
    g_task_type = add_type(
        module, {"runtime._core.TaskRef", sizeof(TaskRef), 0, kCollected | Py_TPFLAGS_BASETYPE, task_slots.data()},
        "TaskRef");
}

}  // namespace callring::bindings
