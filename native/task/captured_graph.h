// CapturedGraph: the tasks of one orchestration function, recorded once, with the edges that follow from their tensors.
// It can be launched any number of times without running that function again.
// Guarantees: its edges order the same tasks that a run of the same submits would order; immutable once it is sealed,
// and then shared by any number of launches at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/result.h"
#include "graph/hazards.h"
#include "task/task.h"

namespace callring {

using NodeId = std::uint32_t;

// One task of the graph, or a group. A group has its frames in `members`, and no arguments of its own.
struct GraphNode {
    CallablePtr callable;
    ArgsPtr args;
    std::int32_t placement = kAnyChild;
    CallConfig config;
    std::vector<std::pair<ArgsPtr, std::int32_t>> members;  // arguments and placement of each
};

// The arguments of every node of a graph, by members, after a replacement of tensors. Arguments without a replaced
// tensor are shared with the graph, and launches share the binding.
struct BoundNode {
    ArgsPtr args;
    std::vector<ArgsPtr> members;
};
using Binding = std::vector<BoundNode>;
using BindingPtr = std::shared_ptr<const Binding>;

// What a launch uses instead of the recorded tensors and scalars.
struct GraphArguments {
    BindingPtr tensors;                  // null: as recorded
    std::vector<std::uint64_t> scalars;  // by parameter; empty: as recorded
};

class CapturedGraph {
public:
    // Adds a scalar that launches may replace. Returns its index in GraphArguments::scalars.
    std::uint32_t add_parameter(std::uint64_t recorded);
    // The scalar at `position` in the arguments of a node, or of one of its members, is a parameter.
    struct ParameterUse {
        std::uint32_t member = 0;  // 0 for a node that is no group
        std::uint32_t position = 0;
        std::uint32_t parameter = 0;
    };

    // Records a node that follows the nodes in `after` and those that its tensors require.
    // Errors: invalid_argument (the graph is sealed, `after` names no node of it, or check_arguments() fails).
    Result<NodeId> record(GraphNode node, std::span<const NodeId> after, std::span<const ParameterUse> parameters);
    // The same without these checks.
    NodeId add(GraphNode node, std::span<const NodeId> after, std::span<const ParameterUse> parameters);
    // Makes the edges. No node can be recorded afterwards.
    void seal();

    [[nodiscard]] bool sealed() const noexcept { return !first_successor_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] std::size_t edge_count() const noexcept { return predecessors_.size(); }
    [[nodiscard]] const GraphNode& node(NodeId id) const noexcept { return nodes_[id]; }
    [[nodiscard]] std::span<const NodeId> predecessors(NodeId id) const noexcept {
        return edges_of(predecessors_, first_predecessor_, id);
    }
    [[nodiscard]] std::span<const NodeId> successors(NodeId id) const noexcept {
        return edges_of(successors_, first_successor_, id);
    }
    // Whether any node has a deadline.
    [[nodiscard]] bool has_deadlines() const noexcept;
    // The callables of the nodes, each once, with the number of nodes that use it.
    [[nodiscard]] std::span<const std::pair<CallablePtr, std::uint64_t>> callables() const noexcept {
        return callables_;
    }

    // A recorded tensor and the tensor that replaces it, of the same dtype, shape and strides.
    using Replacement = std::pair<TensorView, TensorView>;
    // The arguments of all nodes after the replacements. Takes time for each tensor of the graph and each replaced one,
    // not for each pair of them.
    // Errors: invalid_argument (a replacement of another dtype, shape or strides; a replacement that overlaps a tensor
    // of the graph that stays, since no edge orders the two; a task with a tensor that lies partly in a replaced one).
    [[nodiscard]] Result<BindingPtr> bind(std::span<const Replacement> replacements) const;

    // Error: invalid_argument (a binding of another graph; not as many scalars as the graph has parameters).
    [[nodiscard]] Result<void> check_launch(const GraphArguments& arguments) const;
    // Whether a scalar of this node, or of its members, is a parameter.
    [[nodiscard]] bool has_parameters(NodeId id) const noexcept {
        return !uses_.empty() && first_use_[id] != first_use_[id + 1];
    }
    // Writes the scalars of a node that is no group over those in its encoded arguments.
    void put_scalars(NodeId id, std::span<const std::uint64_t> scalars, std::span<std::byte> blob) const noexcept;
    // A copy of a group member's `args` with the replaced scalars: members are no nodes, so that put_scalars() does not
    // serve them.
    [[nodiscard]] ArgsPtr with_scalars(NodeId id, std::uint32_t member, const ArgsPtr& args,
                                       std::span<const std::uint64_t> scalars) const;

private:
    static std::span<const NodeId> edges_of(const std::vector<NodeId>& edges, const std::vector<std::uint32_t>& first,
                                            NodeId id) noexcept {
        return std::span(edges).subspan(first[id], first[id + 1] - first[id]);
    }
    // A use, and where its scalar lies in the encoded arguments.
    struct PlacedUse {
        ParameterUse use;
        std::uint64_t offset = 0;
    };
    [[nodiscard]] std::span<const PlacedUse> uses_of(NodeId id) const noexcept {
        return std::span(uses_).subspan(first_use_[id], first_use_[id + 1] - first_use_[id]);
    }

    std::vector<GraphNode> nodes_;
    std::vector<std::uint64_t> parameters_;  // recorded values
    std::vector<PlacedUse> uses_;
    std::vector<std::uint32_t> first_use_{0};
    HazardMap hazards_;        // used until seal()
    std::vector<NodeId> met_;  // by node: 1 + the last node that was found to follow it; used until seal()
    std::vector<NodeId> predecessors_;
    std::vector<std::uint32_t> first_predecessor_{0};
    std::vector<NodeId> successors_;
    std::vector<std::uint32_t> first_successor_;
    std::vector<std::pair<CallablePtr, std::uint64_t>> callables_;
};

using GraphPtr = std::shared_ptr<const CapturedGraph>;

}  // namespace callring
