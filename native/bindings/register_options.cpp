// Binds EngineOptions: every option under its name, with times in seconds.
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "engine/options.h"

namespace callring::bindings {

namespace py = pybind11;

namespace {

template <std::uint64_t EngineOptions::* nanoseconds>
void bind_seconds(py::class_<EngineOptions>& options, const char* name) {
    options.def_property(
        name, [](const EngineOptions& given) { return static_cast<double>(given.*nanoseconds) / 1e9; },
        [](EngineOptions& given, double seconds) { given.*nanoseconds = static_cast<std::uint64_t>(seconds * 1e9); });
}

// Arguments and variables of the environment are bytes, which need not be text.
template <std::vector<std::string> EngineOptions::* words>
void bind_words(py::class_<EngineOptions>& options, const char* name) {
    options.def_property(
        name,
        [](const EngineOptions& given) {
            std::vector<py::bytes> bytes((given.*words).begin(), (given.*words).end());
            return bytes;
        },
        [](EngineOptions& given, const std::vector<py::bytes>& bytes) {
            (given.*words).assign(bytes.begin(), bytes.end());
        });
}

}  // namespace

void register_options(py::module_& module) {
    using namespace py::literals;
    py::class_<EngineOptions> options(module, "EngineOptions", "The options of an Engine; times in seconds.");
    options.def(py::init<>())
        .def_readwrite("platform", &EngineOptions::platform)
        .def_readwrite("runtime", &EngineOptions::runtime)
        .def_readwrite("cores_per_chip", &EngineOptions::cores_per_chip)
        .def_readwrite("max_callables", &EngineOptions::max_callables)
        .def_readwrite("lane_capacity", &EngineOptions::lane_capacity)
        .def_readwrite("max_pending_tasks", &EngineOptions::max_pending_tasks)
        .def_readwrite("max_runs", &EngineOptions::max_runs)
        .def_readwrite("max_restarts", &EngineOptions::max_restarts)
        .def_readwrite("trace", &EngineOptions::trace)
        .def_readwrite("python_setup", &EngineOptions::python_setup)
        .def(
            "copy_descriptors",
            [](EngineOptions& given, const std::vector<int>& descriptors) {
                for (const int descriptor : descriptors) {
                    given.python_descriptors.push_back(UniqueFd::copy_of(descriptor));
                }
            },
            "descriptors"_a);
    bind_seconds<&EngineOptions::control_timeout_ns>(options, "control_timeout");
    bind_seconds<&EngineOptions::start_timeout_ns>(options, "start_timeout");
    bind_seconds<&EngineOptions::restart_window_ns>(options, "restart_window");
    bind_words<&EngineOptions::chip_program>(options, "chip_program");
    bind_words<&EngineOptions::fork_server_program>(options, "fork_server_program");
    bind_words<&EngineOptions::environment>(options, "environment");
}

}  // namespace callring::bindings
