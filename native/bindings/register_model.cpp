// Binds modelled chips: ModelledGraph, and the virtual time of its tasks.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/task_args.h"
#include "virtual_time/captured.h"
#include "virtual_time/virtual_time.h"

namespace callring::bindings {

namespace {

// The tuple of one member: placement, callable, arguments, blocks.
using Member = std::tuple<std::int32_t, std::uint32_t, const ArgsBuilder*, std::uint32_t>;

void add(ModelledGraph& graph, const std::vector<Member>& members, const std::vector<std::uint32_t>& after) {
    std::vector<ModelledFrame> frames;
    frames.reserve(members.size());
    for (const auto& [placement, callable, args, blocks] : members) {
        frames.push_back({placement, callable, {args ? moved_bytes(args->view()) : 0, blocks}});
    }
    graph.add(frames, after);
}

py::tuple times(const ModelledGraph& graph, const std::vector<std::tuple<std::uint64_t, double, std::uint32_t>>& chips,
                std::uint32_t sub_workers, std::uint64_t dispatch_ns,
                const std::vector<std::pair<double, double>>& costs) {
    ModelledMachine machine;
    machine.sub_workers = sub_workers;
    machine.dispatch_ns = dispatch_ns;
    for (const auto& [latency_ns, bandwidth, cores] : chips) {
        machine.chips.push_back({latency_ns, bandwidth, cores});
    }
    for (const auto& [core_ns, core_ns_per_byte] : costs) {
        machine.costs.push_back({core_ns, core_ns_per_byte});
    }
    const VirtualTime time = unwrap([&] {
        const py::gil_scoped_release release;
        return virtual_time(graph, machine);
    }());
    const auto count = static_cast<py::ssize_t>(time.spans.size());
    py::array_t<std::int64_t> spans({count, py::ssize_t{5}});
    auto rows = spans.mutable_unchecked<2>();
    py::ssize_t row = 0;
    for (std::uint32_t task = 0; task < graph.size(); ++task) {
        for (const ModelledFrame& frame : graph.frames(task)) {
            const VirtualSpan& span = time.spans[static_cast<std::size_t>(row)];
            rows(row, 0) = task;
            rows(row, 1) = frame.callable;
            rows(row, 2) = span.child;
            rows(row, 3) = static_cast<std::int64_t>(span.begin_ns);
            rows(row, 4) = static_cast<std::int64_t>(span.end_ns);
            ++row;
        }
    }
    return py::make_tuple(time.makespan_ns, time.critical_path_ns, time.one_by_one_ns, spans);
}

}  // namespace

void register_model(py::module_& module) {
    using namespace py::literals;
    py::class_<ModelledGraph>(module, "ModelledGraph", "The demands of a graph's tasks on modelled chips.")
        .def(py::init<>())
        .def(py::init(&modelled), "graph"_a)
        .def("add", &add, "members"_a, "after"_a)
        .def("virtual_time", &times, "chips"_a, "sub_workers"_a, "dispatch_ns"_a, "costs"_a,
             "Returns makespan, critical path and one-by-one time in ns, and a row for each frame: task, callable, "
             "child, begin, end.")
        .def_property_readonly("edge_count", &ModelledGraph::edge_count)
        .def("__len__", &ModelledGraph::size);
}

}  // namespace callring::bindings
