// Binds the graph: Dependencies.
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/task_args.h"
#include "graph/task_hazards.h"

namespace callring::bindings {

namespace py = pybind11;

namespace {

struct Dependencies {
    HazardMap hazards;
    TaskId next = 0;
};

}  // namespace

void register_graph(py::module_& module) {
    py::class_<Dependencies>(module, "Dependencies", "What each task must follow, told in submission order.")
        .def(py::init<>())
        .def(
            "follow",
            [](Dependencies& self, const ArgsBuilder& args) {
                std::vector<TaskId> predecessors;
                record_task(self.hazards, self.next++, args.view(), predecessors, [](TaskId) { return false; });
                return predecessors;
            },
            py::arg("args"));
}

}  // namespace callring::bindings
