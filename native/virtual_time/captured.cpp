#include "virtual_time/captured.h"

#include <map>

namespace callring {

ModelledGraph modelled(const CapturedGraph& graph) {
    std::map<const Callable*, std::uint32_t> numbers;
    for (const auto& [callable, uses] : graph.callables()) {
        numbers.emplace(callable.get(), static_cast<std::uint32_t>(numbers.size()));
    }
    ModelledGraph made;
    std::vector<ModelledFrame> frames;
    for (NodeId id = 0; id < graph.size(); ++id) {
        const GraphNode& node = graph.node(id);
        const auto add = [&](const ArgsPtr& args, std::int32_t placement) {
            const std::uint64_t bytes = args ? moved_bytes(*args) : 0;
            frames.push_back({placement, numbers.at(node.callable.get()), {bytes, node.config.block_count}});
        };
        frames.clear();
        if (node.members.empty()) {
            add(node.args, node.placement);
        }
        for (const auto& [args, placement] : node.members) {
            add(args, placement);
        }
        made.add(frames, graph.predecessors(id));
    }
    return made;
}

}  // namespace callring
