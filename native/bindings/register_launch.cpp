// Binds captured graphs: CapturedGraph, and their launches in an engine.
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/task_args.h"
#include "engine/engine.h"
#include "task/captured_graph.h"

namespace callring::bindings {

namespace {

using Parameters = std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>>;

// Records one task or, if `group`, a group with a member for each placement.
NodeId record(CapturedGraph& graph, const CallablePtr& callable, const std::vector<std::optional<ArgsBuilder>>& args,
              const std::vector<std::int32_t>& placements, bool group, const CallConfig& config,
              const std::vector<NodeId>& after, const Parameters& parameters) {
    GraphNode node;
    node.callable = callable;
    node.config = config;
    const auto share = [&](std::size_t i) { return args.at(i) ? args.at(i)->share() : no_arguments(); };
    if (group) {
        for (std::size_t i = 0; i < placements.size(); ++i) {
            node.members.emplace_back(share(i), placements[i]);
        }
    } else {
        node.args = share(0);
        node.placement = placements.at(0);
    }
    std::vector<CapturedGraph::ParameterUse> uses;
    uses.reserve(parameters.size());
    for (const auto& [member, position, parameter] : parameters) {
        uses.push_back({member, position, parameter});
    }
    return unwrap(graph.record(std::move(node), after, uses));
}

// The tensors of a launch that replace recorded ones.
struct GraphBinding {
    BindingPtr nodes;
};

GraphBinding bind(const CapturedGraph& graph, const std::vector<CapturedGraph::Replacement>& tensors) {
    return {unwrap([&] {
        const py::gil_scoped_release release;
        return graph.bind(tensors);
    }())};
}

RunPtr launch(const std::shared_ptr<CapturedGraph>& graph, Engine& engine, const std::optional<GraphBinding>& tensors,
              const std::vector<std::uint64_t>& scalars, const std::vector<RunPtr>& after,
              const std::vector<RunPtr>& after_any) {
    const GraphArguments arguments{tensors ? tensors->nodes : nullptr, scalars};
    return unwrap([&] {
        const py::gil_scoped_release release;
        return engine.launch(graph, arguments, {after, after_any});
    }());
}

// The callables of the graph, each once.
std::vector<CallablePtr> callables_of(const CapturedGraph& graph) {
    std::vector<CallablePtr> callables;
    for (const auto& [callable, uses] : graph.callables()) {
        callables.push_back(callable);
    }
    return callables;
}

}  // namespace

void register_launch(py::module_& module) {
    using namespace py::literals;
    py::class_<GraphBinding>(module, "GraphBinding", "Tensors that replace recorded ones.");
    py::class_<CapturedGraph, std::shared_ptr<CapturedGraph>>(
        module, "CapturedGraph", "Recorded tasks, and the edges that follow from their tensors.")
        .def(py::init<>())
        .def("add_parameter", &CapturedGraph::add_parameter, "recorded"_a)
        .def("record", &record, "callable"_a, "args"_a, "placements"_a, "group"_a, "config"_a, "after"_a,
             "parameters"_a)
        .def("seal", &CapturedGraph::seal)
        .def("bind", &bind, "tensors"_a)
        .def("launch", &launch, "engine"_a, "tensors"_a, "scalars"_a, "after"_a, "after_any"_a)
        .def_property_readonly("edge_count", &CapturedGraph::edge_count)
        .def_property_readonly("callables", &callables_of)
        .def_property_readonly("has_deadlines", &CapturedGraph::has_deadlines)
        .def("__len__", &CapturedGraph::size);
}

}  // namespace callring::bindings
