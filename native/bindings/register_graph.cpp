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
    py::class_<Dependencies>(module, "Dependencies",
                             "Finds the tasks that each task must follow; tasks are added in submission order.")
        .def(py::init<>())
        .def(
            "follow",
            [](Dependencies& self, const std::vector<const ArgsBuilder*>& members) {
                std::vector<TaskId> predecessors;
                for (const ArgsBuilder* args : members) {
                    record_task(self.hazards, self.next, args->view(), predecessors, [](TaskId) { return false; });
                }
                ++self.next;
                return predecessors;
            },
            py::arg("members"),
            "Adds a task, given its arguments or those of a group's members. Returns the tasks that it must follow.");
}

}  // namespace callring::bindings
