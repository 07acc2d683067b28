// What a captured graph demands of modelled chips.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "tests/task/tensors.h"
#include "virtual_time/captured.h"

using namespace callring;
using namespace callring::test;

namespace {

NodeId add(CapturedGraph& graph, const CallablePtr& callable, std::vector<TensorArg> tensors, std::int32_t placement,
           const std::vector<NodeId>& after = {}, std::uint32_t blocks = 0) {
    GraphNode node;
    node.callable = callable;
    node.args = args_of(std::move(tensors));
    node.placement = placement;
    node.config.block_count = blocks;
    return graph.add(std::move(node), after, {});
}

std::uint64_t moved(Tag tag, std::int64_t count) {
    return moved_bytes(*args_of({{view_of(make_buffer(), 0, count), tag}}));
}

}  // namespace

TEST_CASE("each tensor moves its bytes once, and one that is read and written moves them twice") {
    CHECK(moved(Tag::input, 16) == 64);
    CHECK(moved(Tag::output, 16) == 64);
    CHECK(moved(Tag::output_existing, 16) == 64);
    CHECK(moved(Tag::inout, 16) == 128);
    CHECK(moved(Tag::input, 0) == 0);
    const auto buffer = make_buffer();
    CHECK(moved_bytes(*args_of({{view_of(buffer, 0, 4), Tag::input}, {view_of(buffer, 4, 3), Tag::inout}})) == 40);
    CHECK(moved_bytes(*no_arguments()) == 0);
}

TEST_CASE("a strided tensor moves its elements only, and its type decides how many bytes they have") {
    TensorView view = view_of(make_buffer(), 0, 4, 3);
    CHECK(moved_bytes(*args_of({{view, Tag::input}})) == 16);
    view.dtype = CALLRING_INT8;
    CHECK(moved_bytes(*args_of({{view, Tag::input}})) == 4);
    view.dtype = CALLRING_FLOAT64;
    CHECK(moved_bytes(*args_of({{view, Tag::input}})) == 32);
}

TEST_CASE("a captured graph keeps the placements, blocks, bytes and predecessors of its nodes") {
    CapturedGraph captured;
    const auto callable = std::make_shared<Callable>();
    const auto buffer = make_buffer();
    const NodeId writer = add(captured, callable, {{view_of(buffer), Tag::output}}, 1, {}, 5);
    const NodeId apart = add(captured, callable, {}, kAnyChild);
    const NodeId reader = add(captured, callable, {{view_of(buffer), Tag::inout}}, 0, {apart});
    captured.seal();
    const ModelledGraph graph = modelled(captured);
    REQUIRE(graph.size() == 3);
    CHECK(graph.edge_count() == 2);
    CHECK(graph.frames(writer)[0].placement == 1);
    CHECK(graph.frames(writer)[0].demand.blocks == 5);
    CHECK(graph.frames(writer)[0].demand.bytes == 64);
    CHECK(graph.frames(apart)[0].placement == kAnySubWorker);
    CHECK(graph.frames(apart)[0].demand.bytes == 0);
    CHECK(graph.frames(reader)[0].demand.bytes == 128);
    const auto before = graph.predecessors(reader);
    CHECK(std::vector<std::uint32_t>(before.begin(), before.end()) == std::vector<std::uint32_t>{writer, apart});
    CHECK(graph.predecessors(writer).empty());
}

TEST_CASE("callables have their positions in the captured graph as numbers") {
    CapturedGraph captured;
    const std::vector<CallablePtr> callables{std::make_shared<Callable>(), std::make_shared<Callable>(),
                                             std::make_shared<Callable>()};
    const std::vector<std::size_t> uses{2, 0, 2, 1, 0, 0};
    for (const std::size_t callable : uses) {
        add(captured, callables[callable], {}, kAnyChild);
    }
    captured.seal();
    const ModelledGraph graph = modelled(captured);
    const auto known = captured.callables();
    REQUIRE(known.size() == 3);
    for (std::uint32_t node = 0; node < uses.size(); ++node) {
        CHECK(known[graph.frames(node)[0].callable].first == callables[uses[node]]);
    }
}

TEST_CASE("a group is one task with a frame for each member, which moves that member's bytes") {
    CapturedGraph captured;
    const auto callable = std::make_shared<Callable>();
    const auto buffer = make_buffer();
    GraphNode group;
    group.callable = callable;
    group.config.block_count = 3;
    group.members = {{args_of({{view_of(buffer, 0, 4), Tag::output}}), 2},
                     {args_of({{view_of(buffer, 8, 8), Tag::output}}), 0}};
    captured.add(std::move(group), {}, {});
    const NodeId reader = add(captured, callable, {{view_of(buffer, 3, 6), Tag::input}}, 1);
    captured.seal();
    const ModelledGraph graph = modelled(captured);
    REQUIRE(graph.size() == 2);
    const auto frames = graph.frames(0);
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].placement == 2);
    CHECK(frames[0].demand.bytes == 16);
    CHECK(frames[1].placement == 0);
    CHECK(frames[1].demand.bytes == 32);
    CHECK(frames[1].demand.blocks == 3);
    CHECK(graph.first_frame(reader) == 2);
    CHECK(graph.predecessors(reader).size() == 1);
}
