#include "task/captured_graph.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <string>

#include "graph/task_hazards.h"
#include "graph/view_region.h"
#include "lane/frame.h"
#include "task/argument_check.h"

namespace callring {

namespace {

bool same_layout(const TensorView& a, const TensorView& b) {
    return a.dtype == b.dtype && a.rank == b.rank && a.shape == b.shape && a.strides == b.strides;
}

Error wrong(std::string what) {
    return {Code::invalid_argument, std::move(what)};
}

enum class Place : std::uint8_t { elsewhere, inside, across };

// Whether a HazardMap that records both regions distinguishes their bytes from those in their gaps.
bool are_compared_exactly(const Region& first, const Region& second) {
    const auto count = [](const Grid::Box&) {};
    Grid grid;
    grid.adopt(first);
    const bool is_exact = grid.for_each_box(first, count);
    grid.adopt(second);
    return is_exact && grid.for_each_box(second, count);
}

// Where the bytes of `view` lie, in the same buffer: all outside `whole`, all inside, or across its edge. Regions that
// may overlap and have too many pieces to be compared exactly count as across.
Place place_of(const Region& view, const Region& whole) {
    if (view.empty()) {
        return whole.begin <= view.begin && view.begin <= whole.end() ? Place::inside : Place::elsewhere;
    }
    if (view == whole) {
        return Place::inside;
    }
    if (view.end() <= whole.begin || whole.end() <= view.begin) {
        return Place::elsewhere;
    }
    if (whole.axis_count == 0 && whole.begin <= view.begin && view.end() <= whole.end()) {
        return Place::inside;
    }
    constexpr TaskId kView = 0;
    constexpr TaskId kWhole = 1;
    HazardMap map;
    std::vector<TaskId> met;
    map.record(kView, view, Access::write, met);
    map.record(kWhole, whole, Access::write, met);
    if (met.empty()) {
        return Place::elsewhere;
    }
    if (!are_compared_exactly(view, whole)) {
        return Place::across;
    }
    met.clear();
    map.record(2, view, Access::read, met);  // follows the view's record if `whole` did not overwrite all of it
    return met.front() == kView ? Place::across : Place::inside;
}

// Finds the replaced tensors that have bytes near those of a view.
class Replaced {
public:
    explicit Replaced(std::span<const CapturedGraph::Replacement> replacements) {
        for (std::uint32_t i = 0; i < replacements.size(); ++i) {
            const TensorView& recorded = replacements[i].first;
            by_buffer_[recorded.buffer->id()].push_back({region_of(recorded), 0, i});
        }
        for (auto& [buffer, tensors] : by_buffer_) {
            std::sort(tensors.begin(), tensors.end(),
                      [](const Entry& a, const Entry& b) { return a.region.begin < b.region.begin; });
            std::uint64_t reach = 0;
            for (Entry& entry : tensors) {
                entry.reach = reach = std::max(reach, entry.region.end());
            }
        }
    }

    // Calls visit(index, region) for each replaced tensor whose first to last byte overlap those of `view`.
    template <class Visit>
    void for_each_near(const Region& view, const Visit& visit) const {
        const auto tensors = by_buffer_.find(view.space);
        if (tensors == by_buffer_.end()) {
            return;
        }
        auto it = std::partition_point(tensors->second.begin(), tensors->second.end(),
                                       [&](const Entry& entry) { return entry.region.begin <= view.end(); });
        while (it != tensors->second.begin() && std::prev(it)->reach >= view.begin) {
            --it;
            visit(it->index, it->region);
        }
    }

private:
    struct Entry {
        Region region;
        std::uint64_t reach;  // the largest end of this tensor and those before it
        std::uint32_t index;
    };
    std::map<std::uint64_t, std::vector<Entry>> by_buffer_;
};

}  // namespace

std::uint32_t CapturedGraph::add_parameter(std::uint64_t recorded) {
    parameters_.push_back(recorded);
    return static_cast<std::uint32_t>(parameters_.size() - 1);
}

Result<NodeId> CapturedGraph::record(GraphNode node, std::span<const NodeId> after,
                                     std::span<const ParameterUse> parameters) {
    if (sealed()) {
        return wrong("its graph is complete: a Recorder is valid while its orchestration function is captured");
    }
    if (std::any_of(after.begin(), after.end(), [this](NodeId earlier) { return earlier >= nodes_.size(); })) {
        return wrong("after: no task of this graph");
    }
    if (node.args) {
        if (auto checked = check_arguments(*node.callable, *node.args, node.placement); !checked) {
            return std::move(checked).error();
        }
    }
    for (const auto& [args, placement] : node.members) {
        if (auto checked = check_arguments(*node.callable, *args, placement); !checked) {
            return std::move(checked).error();
        }
    }
    return add(std::move(node), after, parameters);
}

NodeId CapturedGraph::add(GraphNode node, std::span<const NodeId> after, std::span<const ParameterUse> parameters) {
    const auto id = static_cast<NodeId>(nodes_.size());
    constexpr auto kNothing = [](TaskId) { return false; };  // no node may be forgotten
    std::vector<TaskId> earlier;
    if (node.args) {
        record_task(hazards_, id, *node.args, earlier, kNothing);
    }
    for (const auto& [args, placement] : node.members) {
        if (args) {
            record_task(hazards_, id, *args, earlier, kNothing);
        }
    }
    for (const TaskId other : earlier) {
        met_[other] = id + 1;
    }
    for (const NodeId other : after) {
        if (std::exchange(met_[other], id + 1) != id + 1) {
            earlier.push_back(other);
        }
    }
    predecessors_.insert(predecessors_.end(), earlier.begin(), earlier.end());
    first_predecessor_.push_back(static_cast<std::uint32_t>(predecessors_.size()));
    for (const ParameterUse& use : parameters) {
        const TaskArgs& args = node.members.empty() ? *node.args : *node.members[use.member].first;
        uses_.push_back({use, scalars_offset(args) + (use.position * sizeof(std::uint64_t))});
    }
    first_use_.push_back(static_cast<std::uint32_t>(uses_.size()));
    met_.push_back(0);
    nodes_.push_back(std::move(node));
    return id;
}

bool CapturedGraph::has_deadlines() const noexcept {
    return std::any_of(nodes_.begin(), nodes_.end(),
                       [](const GraphNode& node) { return node.config.deadline_ns != 0; });
}

void CapturedGraph::seal() {
    hazards_.clear();
    met_ = {};
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

Result<BindingPtr> CapturedGraph::bind(std::span<const Replacement> replacements) const {
    for (const auto& [recorded, replacement] : replacements) {
        if (!same_layout(recorded, replacement)) {
            return wrong("a tensor is replaced by one of the same dtype, shape and strides only");
        }
    }
    const Replaced replaced(replacements);
    std::vector<bool> used(replacements.size(), false);
    // The edges were made for the recorded tensors, and order no access of a replacement to a tensor that stays: a
    // replacement must not overlap any of those.
    constexpr TaskId kStays = 0;
    HazardMap touched;
    std::vector<TaskId> met;

    // The arguments with replaced tensors; the same arguments if none of their tensors is replaced.
    const auto replace = [&](const ArgsPtr& args) -> Result<ArgsPtr> {
        std::shared_ptr<TaskArgs> changed;
        for (std::size_t i = 0; args && i < args->tensors.size(); ++i) {
            const TensorView& view = args->tensors[i].tensor;
            const Region region = region_of(view);
            auto by = replacements.size();
            bool is_cut = false;
            replaced.for_each_near(region, [&](std::size_t index, const Region& whole) {
                const Place place = place_of(region, whole);
                is_cut = is_cut || place == Place::across;
                by = place == Place::inside ? std::min(by, index) : by;
            });
            if (by == replacements.size()) {
                if (is_cut) {
                    return wrong("a task uses bytes on both sides of the edge of a tensor that is replaced");
                }
                touched.record(kStays, region, Access::write, met);
                continue;
            }
            if (!changed) {
                changed = std::make_shared<TaskArgs>(*args);
            }
            const auto& [recorded, replacement] = replacements[by];
            TensorView& target = changed->tensors[i].tensor;
            target.buffer = replacement.buffer;
            target.offset = replacement.offset + (view.offset - recorded.offset);
            used[by] = true;
        }
        return changed ? ArgsPtr(std::move(changed)) : args;
    };
    auto bound = std::make_shared<Binding>(nodes_.size());
    for (NodeId id = 0; id < nodes_.size(); ++id) {
        auto own = replace(nodes_[id].args);
        if (!own) {
            return std::move(own).error();
        }
        (*bound)[id].args = std::move(own).value();
        for (const auto& [args, placement] : nodes_[id].members) {
            auto member = replace(args);
            if (!member) {
                return std::move(member).error();
            }
            (*bound)[id].members.push_back(std::move(member).value());
        }
    }
    for (std::size_t k = 0; k < replacements.size(); ++k) {
        if (!used[k]) {
            return wrong("a tensor that no task of the graph uses cannot be replaced");
        }
        met.clear();
        touched.record(k + 1, region_of(replacements[k].second), Access::write, met);
        if (!met.empty()) {
            return wrong("a replacement overlaps another tensor of the graph, and nothing would order their uses");
        }
    }
    return BindingPtr(std::move(bound));
}

Result<void> CapturedGraph::check_launch(const GraphArguments& arguments) const {
    if (arguments.tensors && arguments.tensors->size() != nodes_.size()) {
        return wrong("its tensors were bound to another graph");
    }
    if (!arguments.scalars.empty() && arguments.scalars.size() != parameters_.size()) {
        return wrong("the graph has " + std::to_string(parameters_.size()) + " scalar parameters, was given " +
                     std::to_string(arguments.scalars.size()));
    }
    return {};
}

void CapturedGraph::put_scalars(NodeId id, std::span<const std::uint64_t> scalars,
                                std::span<std::byte> blob) const noexcept {
    for (const PlacedUse& placed : uses_of(id)) {
        std::memcpy(&blob[placed.offset], &scalars[placed.use.parameter], sizeof(std::uint64_t));
    }
}

ArgsPtr CapturedGraph::with_scalars(NodeId id, std::uint32_t member, const ArgsPtr& args,
                                    std::span<const std::uint64_t> scalars) const {
    std::shared_ptr<TaskArgs> changed;
    for (const auto& [use, offset] : uses_of(id)) {
        if (use.member == member) {
            if (!changed) {
                changed = std::make_shared<TaskArgs>(*args);
            }
            changed->scalars.at(use.position) = scalars[use.parameter];
        }
    }
    return changed ? ArgsPtr(std::move(changed)) : args;
}

}  // namespace callring
