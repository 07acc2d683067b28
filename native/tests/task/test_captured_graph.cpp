// CapturedGraph: the edges of a recording, and the replacements of recorded tensors and scalars in a launch.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "lane/frame.h"
#include "task/captured_graph.h"
#include "tests/task/tensors.h"

using namespace callring;
using namespace callring::test;

namespace {

const CallablePtr kCallable = std::make_shared<Callable>();

GraphNode node_of(ArgsPtr args, const CallablePtr& callable = kCallable) {
    GraphNode node;
    node.callable = callable;
    node.args = std::move(args);
    return node;
}

NodeId add(CapturedGraph& graph, std::vector<TensorArg> tensors, const std::vector<NodeId>& after = {}) {
    return graph.add(node_of(args_of(std::move(tensors))), after, {});
}

std::vector<NodeId> ids(std::span<const NodeId> some) {
    std::vector<NodeId> sorted(some.begin(), some.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted;
}

Code code_of(const CapturedGraph& graph, const std::vector<CapturedGraph::Replacement>& replacements) {
    const auto bound = graph.bind(replacements);
    return bound.ok() ? Code::ok : bound.error().code;
}

}  // namespace

TEST_CASE("a graph without nodes is sealed and bound like any other") {
    CapturedGraph graph;
    graph.seal();
    CHECK(graph.size() == 0);
    CHECK(graph.edge_count() == 0);
    CHECK((*graph.bind({}))->empty());
    CHECK(graph.callables().empty());
}

TEST_CASE("edges follow from tensors and from named predecessors, each once") {
    CapturedGraph graph;
    const auto buffer = make_buffer();
    const NodeId writer = add(graph, {{view_of(buffer), Tag::output}});
    const NodeId other = add(graph, {});
    const NodeId reader = add(graph, {{view_of(buffer, 3, 2), Tag::input}}, {writer, other, other});
    const NodeId apart = add(graph, {{view_of(make_buffer()), Tag::inout}});
    graph.seal();
    CHECK(ids(graph.predecessors(reader)) == std::vector<NodeId>{writer, other});
    CHECK(ids(graph.successors(writer)) == std::vector<NodeId>{reader});
    CHECK(ids(graph.successors(other)) == std::vector<NodeId>{reader});
    CHECK(graph.predecessors(apart).empty());
    CHECK(graph.successors(reader).empty());
    CHECK(graph.edge_count() == 2);
}

TEST_CASE("a group follows the earlier users of any member's tensors, and none of its members follows another") {
    CapturedGraph graph;
    const auto buffer = make_buffer();
    const NodeId writer = add(graph, {{view_of(buffer), Tag::output}});
    GraphNode group = node_of(no_arguments());
    group.members = {{args_of({{view_of(buffer, 0, 8), Tag::inout}}), 0},
                     {args_of({{view_of(buffer, 8, 8), Tag::inout}}), 1}};
    const NodeId id = graph.add(std::move(group), {}, {});
    const NodeId reader = add(graph, {{view_of(buffer, 15, 1), Tag::input}});
    graph.seal();
    CHECK(ids(graph.predecessors(id)) == std::vector<NodeId>{writer});
    CHECK(ids(graph.predecessors(reader)) == std::vector<NodeId>{id});
}

TEST_CASE("the callables of a graph are listed once, each with the number of its nodes") {
    CapturedGraph graph;
    const auto other = std::make_shared<Callable>();
    for (int i = 0; i < 3; ++i) {
        graph.add(node_of(no_arguments()), {}, {});
    }
    graph.add(node_of(no_arguments(), other), {}, {});
    graph.seal();
    REQUIRE(graph.callables().size() == 2);
    CHECK(graph.callables()[0] == std::pair(kCallable, std::uint64_t{3}));
    CHECK(graph.callables()[1] == std::pair(other, std::uint64_t{1}));
}

TEST_CASE("a graph has deadlines if one of its nodes has") {
    CapturedGraph graph;
    add(graph, {});
    CHECK_FALSE(graph.has_deadlines());
    GraphNode node = node_of(no_arguments());
    node.config.deadline_ns = 1;
    graph.add(std::move(node), {}, {});
    CHECK(graph.has_deadlines());
}

TEST_CASE("without replacements every node shares its recorded arguments") {
    CapturedGraph graph;
    const NodeId node = add(graph, {{view_of(make_buffer()), Tag::output}});
    graph.seal();
    const auto bound = graph.bind({});
    REQUIRE(bound.ok());
    CHECK((**bound)[node].args == graph.node(node).args);
}

TEST_CASE("a replacement replaces a tensor and the views within it, which keep their offsets") {
    CapturedGraph graph;
    const auto recorded = make_buffer();
    const auto replacement = make_buffer(32);
    const NodeId whole = add(graph, {{view_of(recorded), Tag::output}});
    const NodeId part = add(graph, {{view_of(recorded, 5, 3, 2), Tag::input}, {view_of(make_buffer()), Tag::output}});
    const NodeId none = add(graph, {{view_of(make_buffer()), Tag::output}});
    graph.seal();
    const auto made =
        graph.bind(std::vector<CapturedGraph::Replacement>{{view_of(recorded), view_of(replacement, 16)}});
    REQUIRE(made.ok());
    const BindingPtr& bound = *made;
    const TensorView& moved = (*bound)[part].args->tensors[0].tensor;
    CHECK((*bound)[whole].args->tensors[0].tensor.buffer == replacement);
    CHECK(moved.buffer == replacement);
    CHECK(moved.offset == replacement->offset() + ((16 + 5) * 4));
    CHECK(moved.strides[0] == 2);
    CHECK((*bound)[part].args->tensors[1].tensor.buffer == graph.node(part).args->tensors[1].tensor.buffer);
    CHECK((*bound)[none].args == graph.node(none).args);                  // shared
    CHECK(graph.node(whole).args->tensors[0].tensor.buffer == recorded);  // the recording is unchanged
}

TEST_CASE(
    "a replacement is refused if it has another layout, no task uses its tensor, or tasks would need another order") {
    CapturedGraph graph;
    const auto first = make_buffer();
    const auto second = make_buffer();
    const auto fresh = make_buffer(64);
    add(graph, {{view_of(first), Tag::output}});
    add(graph, {{view_of(second), Tag::output}});
    graph.seal();
    const auto replace = [&](const TensorView& from, const TensorView& to) { return code_of(graph, {{from, to}}); };
    CHECK(replace(view_of(first), view_of(fresh)) == Code::ok);
    CHECK(replace(view_of(first), view_of(first)) == Code::ok);
    CHECK(replace(view_of(first), view_of(fresh, 0, 15)) == Code::invalid_argument);
    CHECK(replace(view_of(first), view_of(fresh, 0, 16, 2)) == Code::invalid_argument);
    TensorView integers = view_of(fresh);
    integers.dtype = CALLRING_INT32;
    CHECK(replace(view_of(first), integers) == Code::invalid_argument);
    CHECK(replace(view_of(make_buffer()), view_of(fresh)) == Code::invalid_argument);  // no task uses it
    CHECK(replace(view_of(first), view_of(second)) == Code::invalid_argument);  // another task writes the replacement
    // Two replacements that overlap each other, and two that do not.
    CHECK(code_of(graph, {{view_of(first), view_of(fresh)}, {view_of(second), view_of(fresh, 8)}}) ==
          Code::invalid_argument);
    CHECK(code_of(graph, {{view_of(first), view_of(fresh)}, {view_of(second), view_of(fresh, 16)}}) == Code::ok);
}

TEST_CASE("a tensor is not replaced if a task uses bytes on both sides of its edge") {
    CapturedGraph graph;
    const auto buffer = make_buffer();
    add(graph, {{view_of(buffer, 4, 8), Tag::output}});
    graph.seal();
    const auto fresh = make_buffer();
    CHECK(code_of(graph, {{view_of(buffer, 0, 8), view_of(fresh, 0, 8)}}) == Code::invalid_argument);
    CHECK(code_of(graph, {{view_of(buffer, 2, 12), view_of(fresh, 2, 12)}}) == Code::ok);
}

TEST_CASE("only the bytes of a tile are replaced: its neighbours' bytes between its first and its last byte stay") {
    CapturedGraph graph;
    const auto matrix = make_buffer(64);
    const auto other = make_buffer(64);
    const auto tile = [](const std::shared_ptr<Buffer>& buffer, std::uint64_t column) {
        TensorView view = view_of(buffer, column, 4);
        view.rank = 2;
        view.shape = {4, 4};
        view.strides = {16, 1};
        return view;
    };
    const NodeId left = add(graph, {{tile(matrix, 0), Tag::output}});
    const NodeId right = add(graph, {{tile(matrix, 4), Tag::output}});
    const NodeId part = add(graph, {{view_of(matrix, 17, 2), Tag::input}});
    graph.seal();
    const auto bound = graph.bind(std::vector<CapturedGraph::Replacement>{{tile(matrix, 0), tile(other, 8)}});
    REQUIRE(bound.ok());
    CHECK((**bound)[left].args->tensors[0].tensor.buffer == other);
    CHECK((**bound)[right].args->tensors[0].tensor.buffer == matrix);
    CHECK((**bound)[part].args->tensors[0].tensor.offset == other->offset() + ((17 + 8) * 4));
    // Both tiles at once, and one by a tile that overlaps the other.
    CHECK(code_of(graph, {{tile(matrix, 0), tile(other, 0)}, {tile(matrix, 4), tile(other, 4)}}) == Code::ok);
    CHECK(code_of(graph, {{tile(matrix, 0), tile(matrix, 8)}}) == Code::ok);
    CHECK(code_of(graph, {{tile(matrix, 0), tile(matrix, 6)}}) == Code::invalid_argument);
}

TEST_CASE("bytes between the pieces of a tensor are not replaced with it, however many pieces there are") {
    constexpr std::int64_t kPieces = 9000;
    constexpr std::int64_t kStep = 3;
    CapturedGraph graph;
    const auto buffer = make_buffer((kPieces * kStep) + 100);
    const auto fresh = make_buffer((kPieces * kStep) + 100);
    const TensorView every_third = view_of(buffer, 0, kPieces, kStep);
    add(graph, {{every_third, Tag::output}});
    // Further behind than the pieces that are compared exactly, and with another stride.
    const NodeId between = add(graph, {{view_of(buffer, (kPieces * 2) + 1, 2, 4), Tag::output}});
    graph.seal();
    const auto bound =
        graph.bind(std::vector<CapturedGraph::Replacement>{{every_third, view_of(fresh, 0, kPieces, kStep)}});
    CHECK((!bound.ok() || (**bound)[between].args->tensors[0].tensor.buffer == buffer));
}

TEST_CASE("a task that cannot be recorded is refused and leaves no trace") {
    CapturedGraph graph;
    const NodeId first = add(graph, {});
    const auto buffer = make_buffer();
    const auto twice = args_of({{view_of(buffer), Tag::output}, {view_of(buffer), Tag::output}});
    const auto code = [&](ArgsPtr args, std::vector<NodeId> after) {
        const auto recorded = graph.record(node_of(std::move(args)), after, {});
        return recorded.ok() ? Code::ok : recorded.error().code;
    };
    CHECK(code(twice, {}) == Code::invalid_argument);
    CHECK(code(no_arguments(), {first + 1}) == Code::invalid_argument);
    GraphNode group = node_of(no_arguments());
    group.members = {{no_arguments(), 0}, {twice, 1}};
    CHECK_FALSE(graph.record(std::move(group), {}, {}).ok());
    CHECK(graph.size() == 1);
    CHECK(code(no_arguments(), {first}) == Code::ok);
    graph.seal();
    CHECK(code(no_arguments(), {}) == Code::invalid_argument);
    CHECK(graph.size() == 2);
}

TEST_CASE("scalars that are parameters are replaced wherever they are used, and in members of groups") {
    CapturedGraph graph;
    const std::uint32_t a = graph.add_parameter(1);
    const std::uint32_t b = graph.add_parameter(2);
    const NodeId task =
        graph.add(node_of(args_of({}, {1, 7, 2})), {}, std::vector<CapturedGraph::ParameterUse>{{0, 0, a}, {0, 2, b}});
    GraphNode group = node_of(no_arguments());
    group.members = {{args_of({}, {9}), 0}, {args_of({}, {2}), 1}};
    const NodeId grouped = graph.add(std::move(group), {}, std::vector<CapturedGraph::ParameterUse>{{1, 0, b}});
    graph.seal();
    const std::vector<std::uint64_t> scalars{10, 20};
    CHECK(graph.has_parameters(task));
    std::vector<std::byte> blob(argument_bytes(*graph.node(task).args));
    encode_arguments(*graph.node(task).args, blob);
    graph.put_scalars(task, scalars, blob);
    DecodedArguments decoded;
    REQUIRE(decode_argument_blob(blob, ArenaMap(), decoded).ok());
    CHECK(decoded.scalars == std::vector<std::uint64_t>{10, 7, 20});
    const auto& members = graph.node(grouped).members;
    CHECK(graph.with_scalars(grouped, 0, members[0].first, scalars) == members[0].first);  // shared
    CHECK(graph.with_scalars(grouped, 1, members[1].first, scalars)->scalars == std::vector<std::uint64_t>{20});
    CHECK(graph.node(task).args->scalars == std::vector<std::uint64_t>{1, 7, 2});
    CHECK(graph.check_launch({nullptr, scalars}).ok());
    CHECK(graph.check_launch({nullptr, {}}).ok());
    CHECK_FALSE(graph.check_launch({nullptr, {10}}).ok());
    CHECK_FALSE(graph.check_launch({nullptr, {10, 20, 30}}).ok());
    CHECK_FALSE(graph.check_launch({std::make_shared<Binding>(graph.size() + 1), {}}).ok());
}

TEST_CASE("in every recording, predecessors and successors mirror each other, and order every conflict") {
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        const std::vector buffers{make_buffer(), make_buffer()};
        CapturedGraph graph;
        struct Use {
            std::size_t buffer;
            std::uint64_t from;
            std::uint64_t to;
            bool writes;
        };
        std::vector<std::vector<Use>> uses;
        for (NodeId id = 0; id < 20; ++id) {
            std::vector<TensorArg> tensors;
            uses.emplace_back();
            for (std::size_t i = random() % 3; i > 0; --i) {
                const std::size_t buffer = random() % 2;
                const std::uint64_t from = random() % 14;
                const std::uint64_t count = 1 + (random() % 2);
                const Tag tag = random() % 2 == 0 ? Tag::input : Tag::inout;
                tensors.push_back({view_of(buffers[buffer], from, static_cast<std::int64_t>(count)), tag});
                uses.back().push_back({buffer, from, from + count, tag != Tag::input});
            }
            add(graph, std::move(tensors));
        }
        graph.seal();
        // behind[i]: all nodes that come before i by way of edges.
        std::vector<std::set<NodeId>> behind(graph.size());
        std::size_t edges = 0;
        for (NodeId id = 0; id < graph.size(); ++id) {
            for (const NodeId earlier : graph.predecessors(id)) {
                REQUIRE(earlier < id);
                behind[id].insert(earlier);
                behind[id].insert(behind[earlier].begin(), behind[earlier].end());
                const auto successors = ids(graph.successors(earlier));
                CHECK(std::count(successors.begin(), successors.end(), id) == 1);
            }
            edges += graph.successors(id).size();
        }
        CHECK(edges == graph.edge_count());
        for (NodeId id = 0; id < graph.size(); ++id) {
            for (NodeId earlier = 0; earlier < id; ++earlier) {
                const bool conflict = std::any_of(uses[id].begin(), uses[id].end(), [&](const Use& mine) {
                    return std::any_of(uses[earlier].begin(), uses[earlier].end(), [&](const Use& theirs) {
                        return mine.buffer == theirs.buffer && mine.from < theirs.to && theirs.from < mine.to &&
                               (mine.writes || theirs.writes);
                    });
                });
                const auto direct = ids(graph.predecessors(id));
                CHECK((!conflict || behind[id].contains(earlier)));
                CHECK((conflict || std::count(direct.begin(), direct.end(), earlier) == 0));
            }
        }
    }
}
