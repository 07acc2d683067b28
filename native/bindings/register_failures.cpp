// Binds the reasons of failures: the codes, NativeError and ChildEnd. runtime/failure.py makes messages of them.
#include <pybind11/stl.h>

#include <array>
#include <memory>
#include <utility>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "common/child_end.h"

namespace callring::bindings {

namespace {

constexpr std::array<std::pair<Code, const char*>, kCodes - 1> kCodeNames{{
    {Code::ok, "ok"},
    {Code::invalid_argument, "invalid_argument"},
    {Code::io, "io"},
    {Code::timeout, "timeout"},
    {Code::closed, "closed"},
    {Code::malformed, "malformed"},
    {Code::layout_mismatch, "layout_mismatch"},
    {Code::hashid_format_invalid, "hashid_format_invalid"},
    {Code::hashid_descriptor_mismatch, "hashid_descriptor_mismatch"},
    {Code::kind_unsupported, "kind_unsupported"},
    {Code::slot_exhausted, "slot_exhausted"},
    {Code::not_installed, "not_installed"},
    {Code::prepare_failed, "prepare_failed"},
    {Code::out_of_memory, "out_of_memory"},
    {Code::kernel_failed, "kernel_failed"},
    {Code::python_exception, "python_exception"},
    {Code::worker_lost, "worker_lost"},
    {Code::skipped, "skipped"},
    {Code::cancelled, "cancelled"},
    {Code::back_pressure, "back_pressure"},
    {Code::given_up, "given_up"},
    {Code::handle_stale, "handle_stale"},
    {Code::removal_active, "removal_active"},
    {Code::partial_failure, "partial_failure"},
    {Code::task_timeout, "task_timeout"},
    {Code::too_many_runs, "too_many_runs"},
    {Code::out_of_descriptors, "out_of_descriptors"},
}};

// (count, window in nanoseconds or None, whether an option sets the limit); None: the child is replaced.
py::object given_up(const ChildEnd& end) {
    if (!end.given_up) {
        return py::none();
    }
    return py::make_tuple(end.given_up->count, end.given_up->window_ns, end.given_up->limited);
}

// (kernel, block) or None.
py::object crashed_in(const ChildEnd& end) {
    if (!end.crashed_in) {
        return py::none();
    }
    return py::make_tuple(end.crashed_in->kernel, end.crashed_in->block);
}

}  // namespace

py::object native_error(const Error& error) {
    // Looked up each time: an object in a static variable would outlive the interpreter.
    const py::object type = py::module_::import("runtime._core").attr("NativeError");
    py::object made = type(static_cast<std::uint32_t>(error.code), error.message);
    if (error.child_end) {
        made.attr("child_end") = to_python(error.child_end);
    }
    return made;
}

void raise(const Error& error) {
    const py::object raised = native_error(error);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised.ptr())), raised.ptr());
    throw py::error_already_set();
}

void register_failures(py::module_& module) {
    py::dict attributes;
    attributes["child_end"] = py::none();
    module.attr("NativeError") = py::reinterpret_steal<py::object>(PyErr_NewExceptionWithDoc(
        "runtime._core.NativeError",
        "An error of the native core: (code, message). ``child_end``: the ChildEnd that caused it, or None.",
        PyExc_Exception, attributes.ptr()));
    py::dict codes;
    for (const auto& [code, name] : kCodeNames) {
        codes[name] = static_cast<std::uint32_t>(code);
    }
    module.attr("CODES") = codes;
    py::class_<ChildEnd, std::shared_ptr<ChildEnd>>(module, "ChildEnd", "How a child ended.")
        .def_readonly("child", &ChildEnd::child)
        .def_property_readonly("known", [](const ChildEnd& end) { return end.status.known; })
        .def_property_readonly("exit_status", [](const ChildEnd& end) { return end.status.exit_code; })
        .def_property_readonly("signal", [](const ChildEnd& end) { return end.status.signal; })
        .def_readonly("pid", &ChildEnd::pid)
        .def_readonly("wrote_over_lane", &ChildEnd::wrote_over_lane)
        .def_readonly("reason", &ChildEnd::reason)
        .def_property_readonly("given_up", &given_up)
        .def_property_readonly("crashed_in", &crashed_in);
}

}  // namespace callring::bindings
