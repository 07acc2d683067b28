// The register functions of the extension: each binds a part of native/.
#pragma once

#include <pybind11/pybind11.h>

namespace callring::bindings {

void register_identity(pybind11::module_& module);
void register_memory(pybind11::module_& module);
void register_graph(pybind11::module_& module);
void register_chip(pybind11::module_& module);
void register_failures(pybind11::module_& module);
void register_options(pybind11::module_& module);
void register_engine(pybind11::module_& module);
void register_launch(pybind11::module_& module);
void register_model(pybind11::module_& module);
void register_task_args(pybind11::module_& module);
void register_submit(pybind11::module_& module);
void register_fork_server(pybind11::module_& module);
void register_node(pybind11::module_& module);
void register_sub_worker(pybind11::module_& module);

}  // namespace callring::bindings
