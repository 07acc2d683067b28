// Binds the engine: Engine, Run, Task, Callable, Payload. No logic: conversions, the interpreter's lock, signals.
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/task_args.h"
#include "bindings/task_holder.h"
#include "bindings/values.h"
#include "bindings/wait.h"
#include "lane/layout.h"
#include "lane/task_failure.h"

namespace callring::bindings {

namespace {

const char* kind_name(ChildKind kind) {
    return kind == ChildKind::chip ? "chip" : kind == ChildKind::sub ? "sub" : "node";
}

const char* state_name(ChildState state) {
    switch (state) {
        case ChildState::starting:
            return "starting";
        case ChildState::ready:
            return "ready";
        case ChildState::lost:
            return "lost";
        case ChildState::closed:
            return "closed";
    }
    return "";
}

// (child, code, message, child_end) of every child that was asked.
using Results = std::vector<std::tuple<std::string, std::uint32_t, std::string, std::shared_ptr<ChildEnd>>>;

Results target_results(const std::vector<TargetResult>& results) {
    Results list;
    for (const TargetResult& result : results) {
        const Error& answer = result.answer;
        list.emplace_back(result.child, static_cast<std::uint32_t>(answer.code), answer.message,
                          to_python(answer.child_end));
    }
    return list;
}

ChildKind parse_kind(const std::string& name) {
    if (name == "chip") {
        return ChildKind::chip;
    }
    if (name == "sub") {
        return ChildKind::sub;
    }
    if (name == "node") {
        return ChildKind::node;
    }
    throw py::value_error("child kind is 'chip', 'sub' or 'node', not '" + name + "'");
}

py::dict snapshot(const ChildSnapshot& child) {
    py::dict installed;
    for (const auto& [digest, count] : child.installed) {
        installed[to_bytes(digest)] = count;
    }
    py::dict result;
    result["kind"] = kind_name(child.kind);
    result["id"] = child.id;
    result["pid"] = child.pid;
    result["incarnation"] = child.incarnation;
    result["state"] = state_name(child.state);
    result["completed"] = child.completed;
    result["last_end"] = to_python(child.last_end);
    result["installed"] = installed;
    return result;
}

py::dict stats_dict(const EngineStats& stats) {
    using namespace py::literals;
    return py::dict("accepted"_a = stats.tasks.accepted, "done"_a = stats.tasks.done, "failed"_a = stats.tasks.failed,
                    "lost"_a = stats.tasks.lost, "timed_out"_a = stats.tasks.timed_out,
                    "skipped"_a = stats.tasks.skipped, "cancelled"_a = stats.tasks.cancelled,
                    "pending"_a = stats.pending, "begun_again"_a = stats.tasks.begun_again, "runs"_a = stats.runs,
                    "restarts"_a = stats.restarts, "waits"_a = stats.submit_waits,
                    "bytes_in_use"_a = stats.bytes_in_use, "bytes_mapped"_a = stats.bytes_mapped);
}

ArgsPtr share(const std::optional<ArgsBuilder>& args) {
    return args ? args->share() : nullptr;
}

TaskPtr make_task(const CallablePtr& callable, ArgsPtr args, std::int32_t placement, const CallConfig& config) {
    auto task = allocate_task();
    task->callable = callable;
    task->args = std::move(args);
    task->placement = placement;
    task->config = config;
    return task;
}

// The public id of a child; -1 for a task that reached none.
std::int64_t id_of(std::int32_t child, const std::vector<ChildSnapshot>& children) {
    return child < 0 ? std::int64_t{-1} : std::int64_t{children[static_cast<std::size_t>(child)].id};
}

py::list task_tuples(const std::vector<TaskSpan>& spans, const std::vector<ChildSnapshot>& children) {
    py::list tasks;
    for (const TaskSpan& span : spans) {
        const TaskTimes& at = span.times;
        const py::tuple times =
            py::make_tuple(at.submit_ns, at.dispatch_ns, at.begin_ns, at.end_ns, at.complete_ns, at.waited_for);
        tasks.append(py::make_tuple(span.run, span.task, to_bytes(span.digest), kind_name(span.kind),
                                    id_of(span.child, children), times, static_cast<std::uint32_t>(span.code)));
    }
    return tasks;
}

py::tuple trace_tuple(Engine& engine, const EngineTrace& trace) {
    const auto children = engine.children();
    const py::list tasks = task_tuples(trace.tasks, children);
    py::list cores;
    for (const CoreSpanOfTask& core : trace.cores) {
        cores.append(py::make_tuple(id_of(core.child, children), core.run, core.task, core.span.core, core.span.func_id,
                                    core.span.begin_ns, core.span.end_ns));
    }
    return py::make_tuple(tasks, cores, trace.dropped);
}

py::tuple glimpse_tuple(Engine& engine, std::uint64_t since, std::size_t most) {
    const auto children = engine.children();
    const TraceGlimpse seen = engine.glimpse(since, most);
    return py::make_tuple(seen.recorded, seen.step, task_tuples(seen.ended, children),
                          task_tuples(seen.begun, children));
}

// (node's id, packed trace) for each node; None instead of the trace if the node did not answer.
py::list node_traces(Engine& engine) {
    const auto asked = engine.ask_for_traces();
    wait_interruptibly([&] { return engine.wait_for_traces(asked); });
    py::list traces;
    for (auto& [id, packed] : engine.inspect([&] { return asked->answers; })) {
        traces.append(py::make_tuple(id, packed ? py::object(py::bytes(*packed)) : py::object(py::none())));
    }
    return traces;
}

py::object kernel_failure(std::string_view payload) {
    const auto failure = decode_kernel_failure(payload);
    const auto text = [](std::string_view bytes) {
        return py::bytes(bytes.data(), bytes.size()).attr("decode")("utf-8", "replace");
    };
    return failure ? py::make_tuple(failure->code, text(failure->kernel), failure->block, text(failure->message))
                   : py::object(py::none());
}

void register_payload(py::module_& module) {
    py::class_<SealedPayload, std::shared_ptr<SealedPayload>>(module, "Payload",
                                                              "Bytes in shared memory, sealed against every change.")
        .def(py::init([](const py::bytes& bytes) { return unwrap(SealedPayload::create(as_span(bytes))); }),
             py::arg("data"))
        .def_static(
            "adopt", [](int fd) { return unwrap(SealedPayload::adopt(UniqueFd(fd))); }, py::arg("fd"))
        .def_property_readonly("data", [](const SealedPayload& payload) { return to_bytes(payload.bytes()); })
        .def("__len__", &SealedPayload::size);
}

// Begins an operation and waits for it, without the interpreter's lock; a signal handler that raises abandons it.
// Returns the callable, the outcome and, unless that is ok, the answer of each child.
template <class Begin>
std::tuple<CallablePtr, std::uint32_t, Results> finish(Engine& engine, Begin&& begin) {
    const OperationPtr operation = unwrap([&] {
        const py::gil_scoped_release release;
        return begin();
    }());
    try {
        wait_interruptibly([&] { return engine.wait_for_operation(operation); });
    } catch (const py::error_already_set&) {
        engine.abandon(operation);
        throw;
    }
    return engine.inspect([&] {
        const Code outcome = operation->outcome();
        Results results = outcome == Code::ok ? Results() : target_results(operation->results);
        return std::tuple(operation->callable, static_cast<std::uint32_t>(outcome), std::move(results));
    });
}

void register_callable_class(py::module_& module) {
    py::class_<Callable, CallablePtr>(module, "CallableRef", "A callable that is registered, or was.")
        .def_property_readonly("digest", [](const Callable& callable) { return to_bytes(callable.spec.digest); })
        .def_property_readonly("descriptor",
                               [](const Callable& callable) { return to_bytes(callable.spec.descriptor); })
        .def_property_readonly("label", [](const Callable& callable) { return callable.spec.label; })
        .def_property_readonly("on_chips",
                               [](const Callable& callable) { return callable.spec.runs_on == ChildKind::chip; });
}

void register_run_and_task(py::module_& module) {
    using namespace py::literals;
    py::class_<CallConfig>(module, "CallConfig", "The options of one call, as the engine takes them.")
        .def(py::init([](std::uint32_t block_count, std::uint32_t retries, double deadline,
                         std::optional<std::uint32_t> trace, bool keeps) {
                 return CallConfig{block_count, retries, static_cast<std::uint64_t>(deadline * 1e9),
                                   trace.value_or(kTraceAsWorker), keeps};
             }),
             "block_count"_a = 0, "retries"_a = 0, "deadline"_a = 0.0, "trace"_a = py::none(), "keeps"_a = false);
    py::class_<Run, RunPtr>(module, "Run", "One execution of an orchestration function.")
        .def_property_readonly("id", [](const Run& run) { return run.id; });
    py::class_<Task, TaskPtr>(module, "Task", "One accepted task.")
        .def_property_readonly("id", [](const Task& task) { return task.id; })
        .def_property_readonly("run_id", [](const Task& task) { return task.run_id; })
        .def_property_readonly("callable", [](const Task& task) { return task.callable; })
        .def_property_readonly("child", [](const Task& task) { return task.child; })
        .def_property_readonly("members", [](const Task& task) { return task.members; })
        .def_property_readonly("failed_member", [](const Task& task) { return TaskPtr(task.failed_member); })
        .def_property_readonly("deadline_ns", [](const Task& task) { return task.config.deadline_ns; })
        // The following are meaningful once the task has ended, and constant from then on.
        .def_property_readonly("code", [](const Task& task) { return static_cast<std::uint32_t>(task.code); })
        .def_property_readonly("payload", [](const Task& task) { return py::bytes(task.payload); })
        // (code, kernel, block, message) of the failed kernel, if the task's code is kernel_failed.
        .def_property_readonly("kernel_failure", [](const Task& task) { return kernel_failure(task.payload); })
        // How the task's child ended, if the task's code is worker_lost or given_up.
        .def_property_readonly(
            "child_end",
            [](const Task& task) { return task.child_end ? std::make_shared<ChildEnd>(*task.child_end) : nullptr; })
        // The value that the task returned, if it succeeded. Raises the exceptions of unpickling.
        .def("value", [](const Task& task) { return unpack_value(task.payload, task.extents.get()); })
        .def_property_readonly("root_cause", [](const Task& task) { return task.root_cause; });
}

void register_engine_class(py::module_& module) {
    using namespace py::literals;
    py::class_<Engine, std::shared_ptr<Engine>>(module, "Engine", "One Worker's native half.")
        // Takes the options, which are empty afterwards.
        .def(py::init([](EngineOptions& options, std::shared_ptr<MemoryPool> pool) {
                 return std::shared_ptr<Engine>(unwrap(Engine::create(std::move(options), std::move(pool))).release(),
                                                [](Engine* engine) {
                                                    const py::gil_scoped_release release;
                                                    delete engine;
                                                });
             }),
             "options"_a, "pool"_a)
        .def(
            "start",
            [](Engine& engine,
               const std::vector<std::tuple<std::string, std::uint32_t, std::optional<std::shared_ptr<SealedPayload>>,
                                            double>>& children,
               double timeout) {
                std::vector<ChildSpec> specs;
                specs.reserve(children.size());
                for (const auto& [kind, id, setup, patience] : children) {
                    specs.push_back(
                        {parse_kind(kind), id, setup.value_or(nullptr), static_cast<std::uint64_t>(patience * 1e9)});
                }
                Result<void> started;
                {
                    const py::gil_scoped_release release;
                    started = engine.start(specs, *deadline_after(timeout));
                }
                unwrap(started);
            },
            "children"_a, "timeout"_a)
        .def(
            "register_callable",
            [](Engine& engine, const py::bytes& digest, std::uint32_t kind, const std::string& runs_on,
               const std::string& label, const py::bytes& descriptor, const py::bytes& payload,
               std::optional<std::tuple<std::size_t, std::size_t, std::string>> signature) {
                const auto bytes = as_span(descriptor);
                CallableSpec spec{to_digest(digest),
                                  kind,
                                  parse_kind(runs_on),
                                  label,
                                  {bytes.begin(), bytes.end()},
                                  std::make_shared<const Payload>(unwrap(Payload::create(as_span(payload))))};
                if (signature) {
                    auto& [tensors, scalars, text] = *signature;
                    spec.signature = CallableSpec::Signature{tensors, scalars, std::move(text)};
                }
                return finish(engine, [&] { return engine.begin_register(std::move(spec)); });
            },
            "digest"_a, "kind"_a, "runs_on"_a, "label"_a, "descriptor"_a, "payload"_a, "signature"_a = py::none())
        .def(
            "unregister_callable",
            [](Engine& engine, const CallablePtr& callable) {
                return std::get<1>(finish(engine, [&] { return engine.begin_unregister(callable); }));
            },
            "callable"_a)
        .def("refusal",
             [](Engine& engine) -> py::object {
                 const auto refusal = engine.refusal();
                 if (!refusal) {
                     return py::none();
                 }
                 return py::make_tuple(to_bytes(refusal->callable.digest), refusal->callable.label, refusal->child,
                                       static_cast<std::uint32_t>(refusal->error.code), refusal->error.message);
             })
        .def_property_readonly("closing", &Engine::closing)
        .def("leave_to_parent", &Engine::leave_to_parent)
        .def(
            "is_removing",
            [](Engine& engine, const CallablePtr& callable) {
                return engine.inspect([&] { return callable->removing() && !callable->gone; });
            },
            "callable"_a)
        .def("begin_run", [](Engine& engine) { return unwrap(engine.begin_run({})); })
        .def(
            "begin_run",
            [](Engine& engine, std::vector<RunPtr> after, std::vector<RunPtr> after_any) {
                return unwrap(engine.begin_run({std::move(after), std::move(after_any)}));
            },
            "after"_a, "after_any"_a)
        .def("watch_run", &Engine::watch_run, "run"_a, "watcher"_a)
        .def("unwatch_run", &Engine::unwatch_run, "run"_a, "watcher"_a)
        .def("seal", &Engine::seal, "run"_a)
        .def("cancel", py::overload_cast<const RunPtr&>(&Engine::cancel), "run"_a)
        .def("begin_stream", &Engine::begin_stream)
        .def(
            "submit_opaque",
            [](Engine& engine, const RunPtr& stream, const CallablePtr& callable, const py::bytes& given,
               const CallConfig& config) {
                const std::string_view opaque = given;
                auto task = allocate_task();
                task->callable = callable;
                auto args = std::make_shared<TaskArgs>();
                args->opaque = opaque;
                task->args = std::move(args);
                task->config = config;
                if (opaque.size() <= sizeof(Frame::arguments)) {
                    unwrap(engine.submit(stream, task, {}));
                } else {
                    // Bytes that do not fit into the frame may need a new arena, which every child has to map.
                    unwrap([&] {
                        const py::gil_scoped_release release;
                        return engine.submit(stream, task, {});
                    }());
                }
                return task;
            },
            "stream"_a, "callable"_a, "opaque"_a, "config"_a)
        .def("cancel_task", py::overload_cast<const TaskPtr&>(&Engine::cancel), "task"_a)
        .def("running", &Engine::running, "task"_a)
        .def(
            "end_running",
            [](Engine& engine, const TaskPtr& task, std::uint32_t code) {
                return engine.end_running(task, static_cast<Code>(code));
            },
            "task"_a, "code"_a)
        .def("signal_running", &Engine::signal_running, "task"_a, "signal"_a)
        .def(
            "take_ended",
            [](Engine& engine, const RunPtr& stream) -> py::typing::List<TaskPtr> {
                std::vector<TaskPtr> ended;
                {
                    const py::gil_scoped_release release;
                    ended = engine.take_ended(stream);
                }
                try {
                    return py::cast(ended);
                } catch (...) {  // there is no memory for the list: no ended task may be lost
                    engine.give_back(stream, std::move(ended));
                    throw;
                }
            },
            "stream"_a)
        .def_property_readonly("torn", &Engine::torn)
        .def("hand_over", &Engine::hand_over, "task"_a)
        .def(
            "submit",
            [](Engine& engine, const RunPtr& run, const CallablePtr& callable, const std::optional<ArgsBuilder>& args,
               std::int32_t placement, const CallConfig& config, const std::vector<TaskPtr>& after) {
                TaskPtr task = make_task(callable, share(args), placement, config);
                unwrap(engine.submit(run, task, after));
                return task;
            },
            "run"_a, "callable"_a, "args"_a, "placement"_a, "config"_a, "after"_a)
        .def(
            "submit_group",
            [](Engine& engine, const RunPtr& run, const CallablePtr& callable,
               const std::vector<std::optional<ArgsBuilder>>& members, const std::vector<std::int32_t>& placements,
               const CallConfig& config, const std::vector<TaskPtr>& after) {
                TaskPtr group = make_task(callable, nullptr, kAnyChild, config);
                for (std::size_t i = 0; i < members.size(); ++i) {
                    group->members.push_back(make_task(callable, share(members[i]), placements.at(i), config));
                }
                group->open_members = static_cast<std::uint32_t>(members.size());
                for (const TaskPtr& member : group->members) {
                    member->group = group.get();
                }
                unwrap(engine.submit(run, group, after));
                return group;
            },
            "run"_a, "callable"_a, "members"_a, "placements"_a, "config"_a, "after"_a)
        .def(
            "wait_for_run",
            [](Engine& engine, const RunPtr& run, std::optional<double> timeout) {
                if (engine.poll_run(run)) {
                    return true;
                }
                const auto deadline = deadline_after(timeout);
                return wait_interruptibly([&] { return engine.wait_for_run(run, deadline); });
            },
            "run"_a, "timeout"_a)
        .def(
            "wait_for_task",
            [](Engine& engine, const TaskPtr& task, std::optional<double> timeout) {
                const auto deadline = deadline_after(timeout);
                return wait_interruptibly([&] { return engine.wait_for_task(task, deadline); });
            },
            "task"_a, "timeout"_a)
        .def(
            "wait_for_room",
            [](Engine& engine, double timeout) {
                const auto deadline = *deadline_after(timeout);
                engine.count_wait();
                return wait_interruptibly([&] { return engine.wait_for_room(deadline); });
            },
            "timeout"_a)
        .def(
            "wait_for_progress",
            [](Engine& engine, std::uint64_t ended, double timeout) {
                const auto deadline = *deadline_after(timeout);
                return wait_interruptibly([&] { return engine.wait_for_progress(ended, deadline); });
            },
            "ended"_a, "timeout"_a)
        .def(
            "wait_for_run_slot",
            [](Engine& engine, double timeout) {
                const auto deadline = *deadline_after(timeout);
                engine.count_wait();
                return wait_interruptibly([&] { return engine.wait_for_run_slot(deadline); });
            },
            "timeout"_a)
        .def("stats", [](Engine& engine) { return stats_dict(engine.stats()); })
        .def("poll_run", &Engine::poll_run, "run"_a)
        .def("poll_task", &Engine::poll_task, "task"_a)
        .def(
            "failed",
            [](Engine& engine, const RunPtr& run) {
                return engine.inspect([&] { return !run->failures.empty() || run->poison; });
            },
            "run"_a)
        .def(
            "failures", [](Engine& engine, const RunPtr& run) { return engine.inspect([&] { return run->failures; }); },
            "run"_a)
        .def(
            "skipped", [](Engine& engine, const RunPtr& run) { return engine.inspect([&] { return run->skipped; }); },
            "run"_a)
        .def(
            "poison", [](Engine& engine, const RunPtr& run) { return engine.inspect([&] { return run->poison; }); },
            "run"_a)
        .def("children",
             [](Engine& engine) {
                 py::list list;
                 for (const ChildSnapshot& child : engine.children()) {
                     list.append(snapshot(child));
                 }
                 return list;
             })
        .def("take_trace", [](Engine& engine) { return trace_tuple(engine, engine.take_trace()); })
        .def("glimpse", &glimpse_tuple, "since"_a, "most"_a)
        .def("take_node_traces", &node_traces)
        .def("refuse", &Engine::refuse)
        .def(
            "close",
            [](Engine& engine, double budget) {
                const py::gil_scoped_release release;
                return engine.close(static_cast<std::uint64_t>(budget * 1e9));
            },
            "budget"_a);
}

}  // namespace

void register_engine(py::module_& module) {
    module.attr("LEAST_EXTENT") = kLeastExtent;
    module.attr("MOST_BUFFERS") = kMostBuffers;
    register_payload(module);
    register_callable_class(module);
    register_extent(module);
    register_run_and_task(module);
    register_engine_class(module);
}

}  // namespace callring::bindings
