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
            [](Dependencies& self, const std::vector<const ArgsBuilder*>& members) {
                std::vector<TaskId> predecessors;
                for (const ArgsBuilder* args : members) {
                    record_task(self.hazards, self.next, args->view(), predecessors, [](TaskId) { return false; });
                }
                ++self.next;
                return predecessors;
            },
            py::arg("members"), "The arguments of a task, or of the members of a group.");
}

}  // namespace callring::bindings
