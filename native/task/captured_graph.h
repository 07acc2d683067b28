// CapturedGraph: the tasks of one orchestration function, recorded once, with the edges that follow from their tensors;
// launched as often as wanted without asking any child again.
// Guarantees: what is recorded orders exactly what a run of the same submits would order; immutable once it is sealed,
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

// One task of the graph, or a group: then `members` are its frames, and its own arguments are empty.
struct GraphNode {
    CallablePtr callable;
    ArgsPtr args;
    std::int32_t placement = kAnyChild;
    CallConfig config;
    std::vector<std::pair<ArgsPtr, std::int32_t>> members;  // arguments and placement of each
};

// The arguments of every node of a graph, member by member, with other tensors than were recorded; nodes of which none
// was replaced share theirs. Launches share it.
struct BoundNode {
    ArgsPtr args;
    std::vector<ArgsPtr> members;
};
using Binding = std::vector<BoundNode>;
using BindingPtr = std::shared_ptr<const Binding>;

// What a launch uses in the place of what was recorded.
struct GraphArguments {
    BindingPtr tensors;                  // null: as recorded
    std::vector<std::uint64_t> scalars;  // by parameter; empty: as recorded
};

class CapturedGraph {
public:
    // A scalar that launches may replace; its place among GraphArguments::scalars.
    std::uint32_t add_parameter(std::uint64_t recorded);
    // Says that the scalar at `position` of the arguments of the node that is recorded next, or of its member, is a
    // parameter.
    struct ParameterUse {
        std::uint32_t member = 0;  // 0 for a node that is no group
        std::uint32_t position = 0;
        std::uint32_t parameter = 0;
    };

    // Records a node behind those that its tensors and `after` name.
    // Errors: invalid_argument (the graph is sealed, or has no such node; see check_arguments).
    Result<NodeId> record(GraphNode node, std::span<const NodeId> after, std::span<const ParameterUse> parameters);
    // The same, where nothing of this is.
    NodeId add(GraphNode node, std::span<const NodeId> after, std::span<const ParameterUse> parameters);
    // No more nodes; makes the edges.
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
    // Whether any of its nodes has one.
    [[nodiscard]] bool has_deadlines() const noexcept;
    // The callables that it names, each once, and how many of its nodes name it.
    [[nodiscard]] std::span<const std::pair<CallablePtr, std::uint64_t>> callables() const noexcept {
        return callables_;
    }

    // A tensor of the recording and what takes its place: of the same dtype, shape and strides.
    using Replacement = std::pair<TensorView, TensorView>;
    // The arguments of its nodes with replacements. In time that grows with the tensors of the graph and those that are
    // replaced, not with their product.
    // Errors: invalid_argument (a replacement of another dtype, shape or layout; one that overlaps another tensor of
    // the graph, for which nothing orders it; a recorded tensor of which a task uses a part and other bytes with it).
    [[nodiscard]] Result<BindingPtr> bind(std::span<const Replacement> replacements) const;

    // Error: invalid_argument (a binding of another graph; a number of scalars that is not that of the parameters).
    [[nodiscard]] Result<void> check_launch(const GraphArguments& arguments) const;
    // Whether a scalar of a node that is no group is a parameter.
    [[nodiscard]] bool has_parameters(NodeId id) const noexcept {
        return !uses_.empty() && first_use_[id] != first_use_[id + 1];
    }
    // Writes the scalars of such a node over those in its encoded arguments.
    void put_scalars(NodeId id, std::span<const std::uint64_t> scalars, std::span<std::byte> blob) const noexcept;
    // `args` of a group's member with its scalars: a member has no place of its own in the graph, so it gets a copy.
    [[nodiscard]] ArgsPtr with_scalars(NodeId id, std::uint32_t member, const ArgsPtr& args,
                                       std::span<const std::uint64_t> scalars) const;

private:
    static std::span<const NodeId> edges_of(const std::vector<NodeId>& edges, const std::vector<std::uint32_t>& first,
                                            NodeId id) noexcept {
        return std::span(edges).subspan(first[id], first[id + 1] - first[id]);
    }
    // With where the scalar lies in the encoded arguments.
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
    HazardMap hazards_;        // while recording
    std::vector<NodeId> met_;  // by node: 1 + the last one that was found to follow it; while recording
    std::vector<NodeId> predecessors_;
    std::vector<std::uint32_t> first_predecessor_{0};
    std::vector<NodeId> successors_;
    std::vector<std::uint32_t> first_successor_;
    std::vector<std::pair<CallablePtr, std::uint64_t>> callables_;
};

using GraphPtr = std::shared_ptr<const CapturedGraph>;

}  // namespace callring
