// Binds the path that every task takes, against CPython's own interface: Submitter (the base of Orchestrator), TaskRef
// (the base of Task), GraphTaskRef (that of GraphTask) and Token (what ties a handle to a registration). A call through
// pybind11 costs more than a submit. The native methods know the ordinary call; anything else they hand to the Python
// method of the same name with an underscore, which explains what is wrong.
#include <pybind11/stl.h>
#include <structmember.h>

#include <forward_list>
#include <new>
#include <optional>
#include <utility>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/entry.h"
#include "bindings/fast_path/cpython.h"
#include "bindings/fast_path/task_args.h"
#include "bindings/values.h"
#include "bindings/wait.h"
#include "engine/engine.h"
#include "task/captured_graph.h"

namespace callring::bindings {

namespace {

PyTypeObject* g_token_type = nullptr;
PyTypeObject* g_task_type = nullptr;        // TaskRef
PyTypeObject* g_graph_task_type = nullptr;  // GraphTaskRef

struct Names {
    PyObject* args = PyUnicode_InternFromString("args");
    PyObject* config = PyUnicode_InternFromString("config");
    PyObject* worker = PyUnicode_InternFromString("worker");
    PyObject* after = PyUnicode_InternFromString("after");
    PyObject* workers = PyUnicode_InternFromString("workers");
    PyObject* submit_many = PyUnicode_InternFromString("_submit_many");
    PyObject* submit_sub = PyUnicode_InternFromString("_submit_sub");
    PyObject* submit_next_level = PyUnicode_InternFromString("_submit_next_level");
    PyObject* wait_or_raise = PyUnicode_InternFromString("_wait_or_raise");
    PyObject* result = PyUnicode_InternFromString("_result");
};
Names* g_names = nullptr;

// The Python half will meet the same error and explain it. An interrupt came once, and must not be lost.
void leave_to_python() {
    if (PyErr_ExceptionMatches(PyExc_Exception) == 0) {
        throw py::error_already_set();
    }
    PyErr_Clear();
}

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

// ---- Token ----------------------------------------------------------------------------------------------------------

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

int token_traverse(PyObject* self, visitproc visit, void* arg) {
    const auto* token = reinterpret_cast<Token*>(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(token->owner);
    Py_VISIT(token->native);
    return 0;
}

int token_clear(PyObject* self) {
    auto* token = reinterpret_cast<Token*>(self);
    Py_CLEAR(token->owner);
    Py_CLEAR(token->native);
    Py_CLEAR(token->hashid);
    Py_CLEAR(token->kind);
    Py_CLEAR(token->target_namespace);
    Py_CLEAR(token->label);
    return 0;
}

py::object make_token(const py::object& owner, const py::object& native, const py::object& hashid,
                      const py::object& kind, const py::object& target_namespace, const py::object& label) {
    auto callable = native.cast<CallablePtr>();
    auto object = py::reinterpret_steal<py::object>(PyType_GenericAlloc(g_token_type, 0));
    if (!object) {
        throw py::error_already_set();
    }
    auto* token = reinterpret_cast<Token*>(object.ptr());
    token->owner = new_reference(owner.ptr());
    token->native = new_reference(native.ptr());
    token->hashid = new_reference(hashid.ptr());
    token->kind = new_reference(kind.ptr());
    token->target_namespace = new_reference(target_namespace.ptr());
    token->label = new_reference(label.ptr());
    token->live = 1;
    new (&token->callable) CallablePtr(std::move(callable));
    return object;
}

// ---- TaskRef --------------------------------------------------------------------------------------------------------

struct TaskRef {
    PyObject ob_base;
    PyObject* session;
    Engine* engine;  // kept alive by `session`
    TaskPtr task;
};

int task_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<TaskRef*>(self)->session);
    return 0;
}

int task_clear(PyObject* self) {
    Py_CLEAR(reinterpret_cast<TaskRef*>(self)->session);
    return 0;
}

PyObject* new_task(PyTypeObject* type, PyObject* session, Engine* engine, TaskPtr task) {
    PyObject* self = type->tp_alloc(type, 0);
    if (self != nullptr) {
        auto* ref = reinterpret_cast<TaskRef*>(self);
        ref->session = new_reference(session);
        ref->engine = engine;
        new (&ref->task) TaskPtr(std::move(task));
    }
    return self;
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
        throw py::type_error("a TaskRef is of an engine and a task of it");
    }
    return new_task(type, session, owner, std::move(task));
}

PyObject* task_native(PyObject* self, void* /*closure*/) {
    return py::cast(reinterpret_cast<TaskRef*>(self)->task).release().ptr();
}

// What an ended task returned; null without an error if it did not end well, is a group, or there is no memory for it.
PyObject* value_of(const TaskRef& ref) {
    if (ref.task->code != Code::ok || !ref.task->members.empty()) {
        return nullptr;
    }
    try {
        return unpack_value(ref.task->payload, ref.task->extents.get()).release().ptr();
    } catch (const std::bad_alloc&) {
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
    const auto explain = py::reinterpret_steal<py::object>(PyObject_GetAttr(self, g_names->result));
    return explain ? PyObject_Vectorcall(explain.ptr(), args, static_cast<std::size_t>(count), names) : nullptr;
}

// ---- GraphTaskRef ---------------------------------------------------------------------------------------------------

struct GraphTaskRef {
    PyObject ob_base;
    PyObject* graph;  // the CapturedGraph that it is a node of
    NodeId node;
};

int graph_task_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<GraphTaskRef*>(self)->graph);
    return 0;
}

int graph_task_clear(PyObject* self) {
    Py_CLEAR(reinterpret_cast<GraphTaskRef*>(self)->graph);
    return 0;
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

PyObject* graph_task_new(PyTypeObject* type, PyObject* args, PyObject* /*kwargs*/) {
    PyObject* graph = nullptr;
    unsigned int node = 0;
    return PyArg_ParseTuple(args, "OI", &graph, &node) == 0 ? nullptr : new_graph_task(type, graph, node);
}

// ---- Submitter ------------------------------------------------------------------------------------------------------

// Where the class of handles keeps what a submit reads of them, and which class arguments are of. It is looked up once,
// not for each run: that would take longer than all else that makes a Submitter.
struct Layout {
    py::object handle_type;  // CallableHandle
    py::object args_type;    // TaskArgs
    Slot token, hashid;      // of a handle
};

const Layout& layout_of(PyObject* handle_type, PyObject* args_type) {
    static auto* known = new std::forward_list<Layout>();  // with the classes, for as long as the process lives
    for (const Layout& layout : *known) {
        if (layout.handle_type.ptr() == handle_type && layout.args_type.ptr() == args_type) {
            return layout;
        }
    }
    known->push_front({py::reinterpret_borrow<py::object>(handle_type), py::reinterpret_borrow<py::object>(args_type),
                       Slot(handle_type, "_token"), Slot(handle_type, "hashid")});
    return known->front();
}

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

// Every PyObject* of a Submitter, for the collector.
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
    const bool records = py::isinstance<CapturedGraph>(run);
    if (records) {
        submitter.recording = py::handle(run).cast<std::shared_ptr<CapturedGraph>>();
        Py_XSETREF(submitter.graph, new_reference(run));
    } else {
        submitter.run = py::handle(run).cast<RunPtr>();
    }
    PyTypeObject* const base = records ? g_graph_task_type : g_task_type;
    if (PyType_Check(given[2]) == 0 || PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(given[2]), base) == 0) {
        PyErr_SetString(PyExc_TypeError, "tasks are of a subclass of TaskRef, recorded ones of one of GraphTaskRef");
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

// The callable behind `handle`, if it is exactly what the registry made and still live; the Python half explains what
// is wrong with any other (docs/explanation/identity.md).
CallablePtr resolve(const Submitter& self, PyObject* handle, PyObject* names) {
    if (self.layout == nullptr || reinterpret_cast<PyObject*>(Py_TYPE(handle)) != self.layout->handle_type.ptr()) {
        return nullptr;
    }
    PyObject* object = self.layout->token.of(handle);
    if (object == nullptr || Py_TYPE(object) != g_token_type) {
        return nullptr;
    }
    const auto* token = reinterpret_cast<Token*>(object);
    if (token->owner != self.registry || token->live == 0 || token->target_namespace != names ||
        self.layout->hashid.of(handle) != token->hashid) {
        return nullptr;
    }
    return token->callable;
}

// The index of the child `id`. Small integers are the same object each time, and lie next to each other: those of up to
// eight children are found without the dictionary. None: the Python half has to look at it.
std::optional<std::int32_t> placement_of(Submitter& self, PyObject* id) {
    Placed& placed = self.placed[reinterpret_cast<std::uintptr_t>(id) / sizeof(PyLongObject) % self.placed.size()];
    if (placed.id == id) {
        return placed.index;
    }
    PyObject* index = PyLong_CheckExact(id) != 0 ? PyDict_GetItemWithError(self.placements, id) : nullptr;
    if (index == nullptr) {
        return std::nullopt;
    }
    placed.index = static_cast<std::int32_t>(PyLong_AsLong(index));
    Py_XSETREF(placed.id, new_reference(id));
    return placed.index;
}

// The arguments, none for None; null: the Python half has to look at them.
ArgsPtr take_args(const Submitter& self, PyObject* given) {
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

// False: the Python half has to look at it.
bool take_config(Submitter& self, PyObject* given, CallConfig& config) {
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
        Py_XSETREF(self.config, new_reference(given));  // it is immutable, and alive as long as it is the last one
    }
    config = self.native_config;
    return true;
}

// Where each of `count` tasks goes: `workers` is null (any sub-worker), an id, or as many ids. None: the Python half
// has to look at it.
std::optional<std::vector<std::int32_t>> placements_of(Submitter& self, PyObject* workers, Py_ssize_t count) {
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

// Tasks of this run, in a list or a tuple. False: the Python half has to look at them.
bool take_after(Submitter& self, PyObject* given) {
    self.after.clear();
    if (given == nullptr) {
        return true;
    }
    if (PyList_CheckExact(given) == 0 && PyTuple_CheckExact(given) == 0) {
        return false;
    }
    PyObject** items = PySequence_Fast_ITEMS(given);
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(given);
    self.after.reserve(static_cast<std::size_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
        if (PyObject_TypeCheck(items[i], g_task_type) == 0) {
            return false;
        }
        const auto& ref = *reinterpret_cast<TaskRef*>(items[i]);
        if (ref.engine != self.engine.get() || ref.task->run_id != self.run->id) {
            return false;
        }
        self.after.push_back(ref.task);
    }
    return true;
}

// The same of the graph that is captured.
bool take_earlier(Submitter& self, PyObject* given) {
    self.earlier.clear();
    if (given == nullptr) {
        return true;
    }
    if (PyList_CheckExact(given) == 0 && PyTuple_CheckExact(given) == 0) {
        return false;
    }
    PyObject** items = PySequence_Fast_ITEMS(given);
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(given);
    self.earlier.reserve(static_cast<std::size_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
        if (PyObject_TypeCheck(items[i], g_graph_task_type) == 0) {
            return false;
        }
        const auto& ref = *reinterpret_cast<GraphTaskRef*>(items[i]);
        if (ref.graph != self.graph) {
            return false;
        }
        self.earlier.push_back(ref.node);
    }
    return true;
}

// The call of a submit; what is not given is null.
struct Call {
    PyObject* handle = nullptr;
    PyObject* args = nullptr;
    PyObject* config = nullptr;
    PyObject* worker = nullptr;
    PyObject* after = nullptr;

    // False: the Python half has to look at it. Names in a call are interned; where they are not, it may do that, too.
    bool take(PyObject* const* given, Py_ssize_t count, PyObject* names) {
        if (count < 1 || count > 3) {
            return false;
        }
        handle = given[0];
        args = count > 1 ? given[1] : nullptr;
        config = count > 2 ? given[2] : nullptr;
        for (Py_ssize_t i = 0; names != nullptr && i < PyTuple_GET_SIZE(names); ++i) {
            PyObject* name = PyTuple_GET_ITEM(names, i);
            PyObject** place = name == g_names->worker   ? &worker
                               : name == g_names->after  ? &after
                               : name == g_names->config ? &config
                               : name == g_names->args   ? &args
                                                         : nullptr;
            if (place == nullptr || *place != nullptr) {
                return false;
            }
            *place = given[count + i];
        }
        return true;
    }

    // The same of a call for many tasks, whose `workers` None is null.
    bool take_many(PyObject* const* given, Py_ssize_t count, PyObject* names, PyObject*& workers) {
        if (count < 2 || count > 3) {
            return false;
        }
        handle = given[0];
        args = given[1];
        config = count > 2 ? given[2] : nullptr;
        for (Py_ssize_t i = 0; names != nullptr && i < PyTuple_GET_SIZE(names); ++i) {
            PyObject* const name = PyTuple_GET_ITEM(names, i);
            const auto is = [name](PyObject* known) { return name == known || PyUnicode_Compare(name, known) == 0; };
            PyObject** place = is(g_names->workers)  ? &workers
                               : is(g_names->after)  ? &after
                               : is(g_names->config) ? &config
                                                     : nullptr;
            if (place == nullptr || *place != nullptr) {
                return false;
            }
            *place = given[count + i];
        }
        workers = workers == Py_None ? nullptr : workers;
        return true;
    }
};

// The Python half waits for room if that is what the engine lacks, and raises why else it refused.
void wait_or_raise(Submitter& self, const Error& refusal, const CallablePtr& callable) {
    const auto waited = py::reinterpret_steal<py::object>(PyObject_CallMethodObjArgs(
        &self.ob_base, g_names->wait_or_raise, native_error(refusal).ptr(), py::cast(callable).ptr(), nullptr));
    if (!waited) {
        throw py::error_already_set();
    }
}

// The accepted task as a Task, behind those in `self.after`.
PyObject* begin(Submitter& self, CallablePtr callable, ArgsPtr args, const CallConfig& config, std::int32_t placement) {
    auto task = allocate_task();
    task->callable = std::move(callable);
    task->placement = placement;
    task->args = std::move(args);
    task->config = config;
    Result<void> accepted = self.engine->submit(self.run, task, self.after);
    if (!accepted) {
        // Not in `self`: what the Python half runs, such as a signal handler, may submit as well.
        const std::vector<TaskPtr> after = std::exchange(self.after, {});
        do {
            wait_or_raise(self, accepted.error(), task->callable);
            accepted = self.engine->submit(self.run, task, after);
        } while (!accepted);
    }
    self.after.clear();
    return new_task(reinterpret_cast<PyTypeObject*>(self.task_type), self.session, self.engine.get(), std::move(task));
}

// The recorded task as a GraphTask, behind those in `self.earlier`.
PyObject* record(Submitter& self, CallablePtr callable, ArgsPtr args, const CallConfig& config,
                 std::int32_t placement) {
    GraphNode node;
    node.callable = callable;
    node.args = std::move(args);
    node.placement = placement;
    node.config = config;
    const Result<NodeId> recorded = self.recording->record(std::move(node), self.earlier, {});
    if (!recorded) {
        wait_or_raise(self, recorded.error(), callable);
        return nullptr;
    }
    return new_graph_task(reinterpret_cast<PyTypeObject*>(self.task_type), self.graph, *recorded);
}

PyObject* submit(Submitter& self, const Call& call, PyObject* names, std::int32_t placement) {
    CallablePtr callable = resolve(self, call.handle, names);
    if (!callable || self.engine->is_parents()) {
        return nullptr;
    }
    ArgsPtr args = take_args(self, call.args);
    CallConfig config;
    if (!args || !take_config(self, call.config, config)) {
        return nullptr;
    }
    if (self.recording) {
        return take_earlier(self, call.after) ? record(self, std::move(callable), std::move(args), config, placement)
                                              : nullptr;
    }
    if (!take_after(self, call.after)) {
        self.after.clear();
        return nullptr;
    }
    return begin(self, std::move(callable), std::move(args), config, placement);
}

PyObject* hand_over(PyObject* self, PyObject* method, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    const auto bound = py::reinterpret_steal<py::object>(PyObject_GetAttr(self, method));
    return bound ? PyObject_Vectorcall(bound.ptr(), args, static_cast<std::size_t>(count), names) : nullptr;
}

template <class Attempt>
PyObject* attempt_or_hand_over(PyObject* self, PyObject* method, PyObject* const* args, Py_ssize_t count,
                               PyObject* names, const Attempt& attempt) {
    PyObject* task = attempt();
    if (task != nullptr || PyErr_Occurred() != nullptr) {
        return task;
    }
    return hand_over(self, method, args, count, names);
}

PyObject* submit_sub(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    auto& submitter = *reinterpret_cast<Submitter*>(self);
    return attempt_or_hand_over(self, g_names->submit_sub, args, count, names, [&]() -> PyObject* {
        Call call;
        if (!call.take(args, count, names) || call.worker != nullptr) {
            return nullptr;
        }
        return submit(submitter, call, submitter.python_names, kAnyChild);
    });
}

// As many submits as there are arguments; those that the Python half has to look at, and all behind them, it gets as
// (handle, the arguments that are left, config, workers, after), and what it returns is appended.
PyObject* submit_many(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* names) {
    auto& submitter = *reinterpret_cast<Submitter*>(self);
    Call call;
    PyObject* workers = nullptr;
    const bool known = call.take_many(given, count, names, workers);
    const auto args_list = py::reinterpret_steal<py::object>(
        known ? PySequence_Fast(call.args, "submit_many takes a list of arguments, one for each task") : nullptr);
    if (known && !args_list) {
        throw py::error_already_set();
    }
    if (!known) {
        throw py::type_error("submit_many takes (handle, args_list, config=None, *, workers=None, after=())");
    }
    const auto placements = placements_of(submitter, workers, PySequence_Fast_GET_SIZE(args_list.ptr()));
    py::list tasks;
    Py_ssize_t done = 0;
    if (placements) {
        const Py_ssize_t total = PySequence_Fast_GET_SIZE(args_list.ptr());
        PyObject* const namespaces = workers == nullptr ? submitter.python_names : submitter.next_level_names;
        for (; done < total && done < PySequence_Fast_GET_SIZE(args_list.ptr()); ++done) {
            const auto args = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(args_list.ptr(), done));
            call.args = args.ptr();
            const auto task = py::reinterpret_steal<py::object>(
                submit(submitter, call, namespaces, placements->at(static_cast<std::size_t>(done))));
            if (!task) {
                break;
            }
            tasks.append(task);
        }
        if (PyErr_Occurred() != nullptr) {
            throw py::error_already_set();
        }
        if (done == total) {
            return tasks.release().ptr();
        }
    }
    // An error is raised by what it concerns: the tasks before it are accepted.
    const std::array<PyObject*, 7> rest{self,
                                        call.handle,
                                        args_list.ptr(),
                                        call.config != nullptr ? call.config : Py_None,
                                        workers != nullptr ? workers : Py_None,
                                        call.after != nullptr ? call.after : Py_None,
                                        tasks.ptr()};
    return PyObject_VectorcallMethod(g_names->submit_many, rest.data(), rest.size(), nullptr);
}

PyObject* submit_next_level(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    auto& submitter = *reinterpret_cast<Submitter*>(self);
    return attempt_or_hand_over(self, g_names->submit_next_level, args, count, names, [&]() -> PyObject* {
        Call call;
        if (!call.take(args, count, names) || call.worker == nullptr) {
            return nullptr;
        }
        const auto placement = placement_of(submitter, call.worker);
        return placement ? submit(submitter, call, submitter.next_level_names, *placement) : nullptr;
    });
}

// ---- the types ------------------------------------------------------------------------------------------------------

}  // namespace

void register_submit(py::module_& module) {
    g_names = new Names();  // for as long as the process lives, as interned strings do

    static std::array<PyMemberDef, 8> token_members{{
        {"owner", T_OBJECT_EX, offsetof(Token, owner), READONLY, nullptr},
        {"native", T_OBJECT_EX, offsetof(Token, native), READONLY, nullptr},
        {"hashid", T_OBJECT_EX, offsetof(Token, hashid), READONLY, nullptr},
        {"kind", T_OBJECT_EX, offsetof(Token, kind), READONLY, nullptr},
        {"target_namespace", T_OBJECT_EX, offsetof(Token, target_namespace), READONLY, nullptr},
        {"label", T_OBJECT_EX, offsetof(Token, label), READONLY, nullptr},
        {"live", T_BOOL, offsetof(Token, live), 0, "Whether its handle was not released yet."},
        {},
    }};
    static std::array<PyType_Slot, 6> token_slots{{
        {Py_tp_doc, const_cast<char*>("Ties a handle to the registration that made it.")},
        slot<&deallocate<Token, token_clear>>(Py_tp_dealloc),
        slot<&token_traverse>(Py_tp_traverse),
        slot<&token_clear>(Py_tp_clear),
        {Py_tp_members, token_members.data()},
        {0, nullptr},
    }};
    g_token_type = add_type(
        module,
        {"runtime._core.Token", sizeof(Token), 0, kCollected | Py_TPFLAGS_DISALLOW_INSTANTIATION, token_slots.data()},
        "Token");
    module.def("make_token", &make_token, py::arg("owner"), py::arg("native"), py::arg("hashid"), py::arg("kind"),
               py::arg("target_namespace"), py::arg("label"));

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

    static std::array<PyMethodDef, 4> submitter_methods{{
        keyword_method<&submit_many>(
            "submit_many",
            "submit_many($self, handle, args_list, config=None, *, workers=None, after=())\n--\n\n"
            "Submits a task for each of ``args_list``, in order, and returns the list of them.\n\n"
            "The same as that many submits, in a fraction of their time.\n\n"
            "Args:\n"
            "    handle: what every task calls.\n"
            "    args_list: the arguments of each; None: it has none.\n"
            "    config: of each.\n"
            "    workers: None for any idle sub-worker; the id of a chip or node for all; or an id for each.\n"
            "    after: tasks of this run that each must follow beside those inferred from tensors.\n\n"
            "Raises: as submit_sub and submit_next_level; those before the one that is refused are accepted. "
            "ValueError\n"
            "    also for not as many ids as arguments."),
        keyword_method<&submit_sub>(
            "submit_sub",
            "submit_sub($self, handle, args=None, config=None, *, after=())\n--\n\n"
            "Submits one task for any idle sub-worker; ``Task.result()`` gives what the callable returns.\n\n"
            "Raises: as submit_next_level; ValueError if the Worker has no sub-workers."),
        keyword_method<&submit_next_level>(
            "submit_next_level",
            "submit_next_level($self, handle, args=None, config=None, *, worker, after=())\n--\n\n"
            "Submits one task for exactly the child ``worker`` of the next level.\n\n"
            "Args:\n"
            "    handle: a registered callable.\n"
            "    args: its tensors with tags, and scalars.\n"
            "    config: block count, retries, deadline, trace level.\n"
            "    worker: the child's id.\n"
            "    after: tasks of this run that it must follow beside those inferred from tensors.\n\n"
            "Raises:\n"
            "    TypeError: not a handle.\n"
            "    ValueError: no such child.\n"
            "    HandleForeignError, HandleStaleError, NamespaceMismatchError: see the documentation, callable "
            "identity.\n"
            "    WorkerGivenUp: the child died too often and is not replaced any more.\n"
            "    BackPressureTimeout: too many tasks are pending and none ends."),
        {},
    }};
    static std::array<PyType_Slot, 8> submitter_slots{{
        {Py_tp_doc, const_cast<char*>("The native half of an Orchestrator.")},
        slot<&submitter_new>(Py_tp_new),
        slot<&submitter_init>(Py_tp_init),
        slot<&deallocate<Submitter, submitter_clear>>(Py_tp_dealloc),
        slot<&submitter_traverse>(Py_tp_traverse),
        slot<&submitter_clear>(Py_tp_clear),
        {Py_tp_methods, submitter_methods.data()},
        {0, nullptr},
    }};
    add_type(
        module,
        {"runtime._core.Submitter", sizeof(Submitter), 0, kCollected | Py_TPFLAGS_BASETYPE, submitter_slots.data()},
        "Submitter");
}

}  // namespace callring::bindings
