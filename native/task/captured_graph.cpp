#include "task/captured_graph.h"

#include <algorithm>
#include <map>
#include <string>

#include "graph/task_hazards.h"
#include "graph/view_region.h"

namespace callring {

namespace {

bool same_layout(const TensorView& a, const TensorView& b) {
    return a.dtype == b.dtype && a.rank == b.rank && a.shape == b.shape && a.strides == b.strides;
}

bool inside(const TensorView& view, const TensorView& whole) {
    const auto [low, high] = extent(view);
    const auto [from, to] = extent(whole);
    return view.buffer == whole.buffer && from <= low && high <= to;
}

bool overlap(const TensorView& a, const TensorView& b) {
    HazardMap map;
    std::vector<TaskId> met;
    map.record(0, region_of(a), Access::write, met);
    map.record(1, region_of(b), Access::write, met);
    return !met.empty();
}

Error wrong(std::string what) {
    return {Code::invalid_argument, std::move(what)};
}

}  // namespace

std::uint32_t CapturedGraph::add_parameter(std::uint64_t recorded) {
    parameters_.push_back(recorded);
    return static_cast<std::uint32_t>(parameters_.size() - 1);
}

NodeId CapturedGraph::add(GraphNode node, std::span<const NodeId> after, std::span<const ParameterUse> parameters) {
    const auto id = static_cast<NodeId>(nodes_.size());
    constexpr auto kNothing = [](TaskId) { return false; };  // may be forgotten
    std::vector<TaskId> earlier;
    if (node.args) {
        record_task(hazards_, id, *node.args, earlier, kNothing);
    }
    for (const auto& [args, placement] : node.members) {
        if (args) {
            record_task(hazards_, id, *args, earlier, kNothing);
        }
    }
    for (const NodeId other : after) {
        if (std::find(earlier.begin(), earlier.end(), other) == earlier.end()) {
            earlier.push_back(other);
        }
    }
    predecessors_.insert(predecessors_.end(), earlier.begin(), earlier.end());
    first_predecessor_.push_back(static_cast<std::uint32_t>(predecessors_.size()));
    for (const ParameterUse& use : parameters) {
        uses_.push_back({id, use});
    }
    nodes_.push_back(std::move(node));
    return id;
}

bool CapturedGraph::has_deadlines() const noexcept {
    return std::any_of(nodes_.begin(), nodes_.end(),
                       [](const GraphNode& node) { return node.config.deadline_ns != 0; });
}

void CapturedGraph::seal() {
    hazards_.clear();
    first_successor_.assign(nodes_.size() + 1, 0);
    for (const NodeId earlier : predecessors_) {
        ++first_successor_[earlier + 1];
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        first_successor_[i + 1] += first_successor_[i];
    }
    successors_.resize(predecessors_.size());
    std::vector<std::uint32_t> next(first_successor_.begin(), first_successor_.end());
    std::map<Callable*, std::size_t> known;
    for (NodeId id = 0; id < nodes_.size(); ++id) {
        for (const NodeId earlier : predecessors(id)) {
            successors_[next[earlier]++] = id;
        }
        const auto [entry, added] = known.emplace(nodes_[id].callable.get(), callables_.size());
        if (added) {
            callables_.emplace_back(nodes_[id].callable, 0);
        }
        ++callables_[entry->second].second;
    }
}

Result<void> CapturedGraph::check_replacements(const GraphArguments& arguments) const {
    if (!arguments.scalars.empty() && arguments.scalars.size() != parameters_.size()) {
        return wrong("the graph has " + std::to_string(parameters_.size()) + " scalar parameters, was given " +
                     std::to_string(arguments.scalars.size()));
    }
    for (const auto& [recorded, replacement] : arguments.tensors) {
        if (!same_layout(recorded, replacement)) {
            return wrong("a tensor is replaced by one of the same dtype, shape and strides only");
        }
    }
    return {};
}

Result<std::vector<CapturedGraph::BoundNode>> CapturedGraph::bind(const GraphArguments& arguments) const {
    if (auto checked = check_replacements(arguments); !checked) {
        return std::move(checked).error();
    }
    if (arguments.tensors.empty() && arguments.scalars.empty()) {
        return std::vector<BoundNode>();
    }
    std::vector<bool> used(arguments.tensors.size(), false);
    std::vector<TensorView> kept;  // tensors that stay, to be compared with what comes
    std::vector<BoundNode> bound(nodes_.size());

    // The arguments with the tensors that take the places of theirs; null if they stay as they are.
    const auto replace = [&](const ArgsPtr& args) -> Result<ArgsPtr> {
        if (!args || arguments.tensors.empty()) {
            return args;
        }
        std::shared_ptr<TaskArgs> changed;
        for (std::size_t i = 0; i < args->tensors.size(); ++i) {
            const TensorView& view = args->tensors[i].tensor;
            bool replaced = false;
            for (std::size_t k = 0; k < arguments.tensors.size() && !replaced; ++k) {
                const auto& [recorded, replacement] = arguments.tensors[k];
                if (inside(view, recorded)) {
                    if (!changed) {
                        changed = std::make_shared<TaskArgs>(*args);
                    }
                    TensorView& target = changed->tensors[i].tensor;
                    target.buffer = replacement.buffer;
                    target.offset = replacement.offset + (view.offset - recorded.offset);
                    used[k] = replaced = true;
                } else if (overlap(view, recorded)) {
                    return wrong("a task uses bytes on both sides of the edge of a tensor that is replaced");
                }
            }
            if (!replaced) {
                kept.push_back(view);
            }
        }
        return changed ? ArgsPtr(std::move(changed)) : args;
    };
    for (NodeId id = 0; id < nodes_.size(); ++id) {
        auto own = replace(nodes_[id].args);
        if (!own) {
            return std::move(own).error();
        }
        bound[id].args = std::move(own).value();
        for (const auto& [args, placement] : nodes_[id].members) {
            auto member = replace(args);
            if (!member) {
                return std::move(member).error();
            }
            bound[id].members.push_back(std::move(member).value());
        }
    }
    for (std::size_t k = 0; k < arguments.tensors.size(); ++k) {
        const TensorView& replacement = arguments.tensors[k].second;
        if (!used[k]) {
            return wrong("a tensor that no task of the graph uses cannot be replaced");
        }
        // The edges were made for the recorded tensors: a replacement may not touch what they say nothing about.
        const bool touches_kept =
            std::any_of(kept.begin(), kept.end(), [&](const TensorView& view) { return overlap(view, replacement); });
        bool touches_other = false;
        for (std::size_t j = 0; j < k; ++j) {
            touches_other = touches_other || overlap(arguments.tensors[j].second, replacement);
        }
        if (touches_kept || touches_other) {
            return wrong("a replacement overlaps another tensor of the graph, and nothing would order their uses");
        }
    }
    if (!arguments.scalars.empty()) {
        for (const NodeParameter& place : uses_) {
            BoundNode& node = bound[place.node];
            ArgsPtr& args = node.members.empty() ? node.args : node.members.at(place.use.member);
            auto changed = std::make_shared<TaskArgs>(*args);
            changed->scalars.at(place.use.position) = arguments.scalars[place.use.parameter];
            args = std::move(changed);
        }
    }
    return bound;
}

}  // namespace callring
