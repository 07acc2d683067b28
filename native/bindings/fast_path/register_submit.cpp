// Binds Submitter, through which every task is submitted, with CPython's C API: a call through pybind11 would take
// longer than a submit. The native methods handle the ordinary call. For any other call they call the Python method of
// the same name with an underscore, which handles the call or explains what is wrong.
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/fast_path/call_parts.h"
#include "bindings/fast_path/cpython.h"
#include "bindings/fast_path/graph_task_ref.h"
#include "bindings/fast_path/submitter.h"
#include "bindings/fast_path/task_ref.h"
#include "bindings/fast_path/token.h"

namespace callring::bindings {

namespace {

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
};
Names* g_names = nullptr;

// The arguments of a call of submit; those that are not given are null.
struct Call {
    PyObject* handle = nullptr;
    PyObject* args = nullptr;
    PyObject* config = nullptr;
    PyObject* worker = nullptr;
    PyObject* after = nullptr;

    // False if the Python half has to handle the call, for instance if the names in it are not interned.
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

    // The same for a call for many tasks; `workers` is null if None was given.
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

// Calls the Python half after the engine refused a task: it waits for room, or raises the error.
void wait_or_raise(Submitter& self, const Error& refusal, const CallablePtr& callable) {
    const auto waited = py::reinterpret_steal<py::object>(PyObject_CallMethodObjArgs(
        &self.ob_base, g_names->wait_or_raise, native_error(refusal).ptr(), py::cast(callable).ptr(), nullptr));
    if (!waited) {
        throw py::error_already_set();
    }
}

// Submits a task that follows those in `self.after`. Returns it as a Task.
PyObject* begin(Submitter& self, CallablePtr callable, ArgsPtr args, const CallConfig& config, std::int32_t placement) {
    auto task = allocate_task();
    task->callable = std::move(callable);
    task->placement = placement;
    task->args = std::move(args);
    task->config = config;
    Result<void> accepted = self.engine->submit(self.run, task, self.after);
    if (!accepted) {
        // Kept outside `self`: Python code that runs meanwhile, such as a signal handler, may submit, too.
        const std::vector<TaskPtr> after = std::exchange(self.after, {});
        do {
            wait_or_raise(self, accepted.error(), task->callable);
            accepted = self.engine->submit(self.run, task, after);
        } while (!accepted);
    }
    self.after.clear();
    return new_task(reinterpret_cast<PyTypeObject*>(self.task_type), self.session, self.engine.get(), std::move(task));
}

// Records a task that follows those in `self.earlier`. Returns it as a GraphTask.
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

// The first `most` arguments of a list, or fewer, up to the first that the Python half has to handle.
std::vector<ArgsPtr> take_args_of(const Submitter& self, PyObject* args_list, std::size_t most) {
    const Py_ssize_t total = std::min(PySequence_Fast_GET_SIZE(args_list), static_cast<Py_ssize_t>(most));
    std::vector<ArgsPtr> taken;
    taken.reserve(most);
    for (Py_ssize_t i = 0; i < total; ++i) {
        ArgsPtr args = take_args(self, PySequence_Fast_GET_ITEM(args_list, i));
        if (!args) {
            break;
        }
        taken.push_back(std::move(args));
    }
    return taken;
}

// Submits tasks that follow those in `self.after`. Returns them as a list of Tasks.
py::list begin_many(Submitter& self, const CallablePtr& callable, std::vector<ArgsPtr> all_args,
                    const CallConfig& config, const std::vector<std::int32_t>& placements) {
    std::vector<TaskPtr> tasks;
    tasks.reserve(all_args.size());
    for (std::size_t i = 0; i < all_args.size(); ++i) {
        TaskPtr task = allocate_task();
        task->callable = callable;
        task->placement = placements[i];
        task->args = std::move(all_args[i]);
        task->config = config;
        tasks.push_back(std::move(task));
    }
    const std::vector<TaskPtr> after = std::exchange(self.after, {});  // see begin()
    std::size_t count = 0;
    for (;;) {
        const auto [accepted, outcome] = self.engine->submit_many(self.run, std::span(tasks).subspan(count), after);
        count += accepted;
        if (outcome) {
            break;
        }
        wait_or_raise(self, outcome.error(), callable);
    }
    py::list list(tasks.size());
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        PyObject* task = new_task(reinterpret_cast<PyTypeObject*>(self.task_type), self.session, self.engine.get(),
                                  std::move(tasks[i]));
        if (task == nullptr) {
            throw py::error_already_set();
        }
        PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), task);
    }
    return list;
}
// Records tasks that follow those in `self.earlier`. Returns them as a list of GraphTasks.
py::list record_many(Submitter& self, const CallablePtr& callable, std::vector<ArgsPtr> all_args,
                     const CallConfig& config, const std::vector<std::int32_t>& placements) {
    py::list list;
    for (std::size_t i = 0; i < all_args.size(); ++i) {
        const auto task =
            py::reinterpret_steal<py::object>(record(self, callable, std::move(all_args[i]), config, placements[i]));
        if (!task) {
            throw py::error_already_set();
        }
        list.append(task);
    }
    return list;
}

// Submits a task for each item of a list of arguments. From the first task on that the Python half has to handle, that
// half continues the list of accepted tasks.
PyObject* submit_many(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* names) {
    auto& submitter = *reinterpret_cast<Submitter*>(self);
    Call call;
    PyObject* workers = nullptr;
    if (!call.take_many(given, count, names, workers)) {
        throw py::type_error("submit_many takes (handle, args_list, config=None, *, workers=None, after=())");
    }
    const auto args_list = py::reinterpret_steal<py::object>(
        PySequence_Fast(call.args, "submit_many takes a list of arguments, one for each task"));
    if (!args_list) {
        throw py::error_already_set();
    }
    const Py_ssize_t total = PySequence_Fast_GET_SIZE(args_list.ptr());
    const auto placements = placements_of(submitter, workers, total);
    CallablePtr callable =
        resolve(submitter, call.handle, workers == nullptr ? submitter.python_names : submitter.next_level_names);
    CallConfig config;
    py::list tasks;
    if (placements && callable && !submitter.engine->is_parents() && take_config(submitter, call.config, config)) {
        std::vector<ArgsPtr> all_args = take_args_of(submitter, args_list.ptr(), placements->size());
        if (submitter.recording && take_earlier(submitter, call.after)) {
            tasks = record_many(submitter, callable, std::move(all_args), config, *placements);
        } else if (!submitter.recording && take_after(submitter, call.after)) {
            tasks = begin_many(submitter, callable, std::move(all_args), config, *placements);
        }
        submitter.after.clear();
        if (PyList_GET_SIZE(tasks.ptr()) == total) {
            return tasks.release().ptr();
        }
    }
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

}  // namespace

void register_submit(py::module_& module) {
    g_names = new Names();  // never deleted, as interned strings are not
    register_token(module);
    register_task_ref(module);
    register_graph_task_ref(module);

    static std::array<PyMethodDef, 4> submitter_methods{{
        keyword_method<&submit_many>(
            "submit_many",
            "submit_many($self, handle, args_list, config=None, *, workers=None, after=())\n--\n\n"
            "Submits one task for each item of ``args_list``, in order, and returns the list of tasks.\n\n"
            "Does the same as that many single submits, but locks the Worker and wakes its children less often.\n\n"
            "Args:\n"
            "    handle: the callable of every task.\n"
            "    args_list: the arguments of each task; None for a task without arguments.\n"
            "    config: the options of every task.\n"
            "    workers: None for any idle sub-worker; the id of a chip or node for all; or an id for each task.\n"
            "    after: tasks of this run that each task must follow, in addition to those inferred from tensors.\n\n"
            "Raises: as submit_sub and submit_next_level; the tasks before a refused one are accepted. ValueError\n"
            "    also if the number of ids is not that of arguments."),
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
            "    after: tasks of this run that the task must follow, in addition to those inferred from tensors.\n\n"
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
