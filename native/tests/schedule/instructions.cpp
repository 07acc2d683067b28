// instructions PHASE TASKS: takes TASKS tasks through the hot path, parent and child in one thread, and lets callgrind
// collect one phase: `submit` (a task is accepted and put into a lane), `follow` (the same, behind a predecessor in
// that lane), `execute` (the child's part) or `complete` (a completion is taken from the lane, and its task ends). Two
// phases are the cost that a tensor adds to a submit: `buffer` (a task reads and writes one of 225 buffers) and `tile`
// (one of 225 tiles of 64 rows of a matrix). Two concern captured graphs: `behind` (one task is recorded behind TASKS
// others) and `bind` (TASKS tensors, each of one task, are replaced). `encode` and `decode` are what three tensors of
// two dimensions and one scalar cost in the parent and in the child. Run by tests/native.
#include <valgrind/callgrind.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "graph/hazards.h"
#include "lane/bell.h"
#include "lane/child_lane.h"
#include "lane/frame.h"
#include "memory/pool.h"
#include "schedule/scheduler.h"
#include "task/captured_graph.h"

using namespace callring;

namespace {

constexpr std::size_t kBurst = 100;

// The scheduler with the lane of one child, whose events nothing observes.
class Alone final : public Surroundings {
public:
    [[nodiscard]] std::uint64_t now_ns() const noexcept override { return callring::now_ns(); }
    void wake(Child& child) override { child.lane->wake(); }
    void on_callable_idle(const CallablePtr& /*callable*/) override {}
    void on_protocol_violation(Child& /*child*/, const std::string& /*what*/) override { std::abort(); }
    void on_run_finished(Run& /*run*/) override {}
    void on_deadline_set(std::uint64_t /*at_ns*/) override {}
};

// Collects the instructions of `work` if this is the requested phase.
template <class Work>
void in_phase(bool looked_at, const Work& work) {
    if (looked_at) {
        CALLGRIND_TOGGLE_COLLECT;
    }
    work();
    if (looked_at) {
        CALLGRIND_TOGGLE_COLLECT;
    }
}

// Reads and writes 225 regions, one after the other and over again.
int touch(bool tiles, std::size_t tasks) {
    constexpr std::uint64_t kRow = 15 * 64;
    HazardMap map;
    std::vector<TaskId> dependencies;
    const auto record = [&](TaskId task) {
        const std::uint64_t number = task % 225;
        const std::uint64_t place = (((number / 15) * kRow) + (number % 15)) * 64 * 4;
        const Region region =
            tiles ? region_of(1, place, 4, std::array<std::int64_t, 2>{64, 64}, std::array<std::int64_t, 2>{kRow, 1})
                  : region_of(number, 0, 4, std::array<std::int64_t, 2>{64, 64}, std::array<std::int64_t, 2>{64, 1});
        dependencies.clear();
        map.record(task, region, Access::read, dependencies);
        map.record(task, region, Access::write, dependencies);
    };
    for (TaskId task = 0; task < 225; ++task) {
        record(task);
    }
    in_phase(true, [&] {
        for (TaskId task = 0; task < tasks; ++task) {
            record(task + 225);
        }
    });
    return dependencies.size() == 1 ? 0 : 1;
}

int behind(std::size_t tasks) {
    CapturedGraph graph;
    std::vector<NodeId> after;
    for (std::size_t i = 0; i <= tasks; ++i) {
        GraphNode node;
        node.args = no_arguments();
        if (i < tasks) {
            after.push_back(graph.add(std::move(node), {}, {}));
        } else {
            in_phase(true, [&] { graph.add(std::move(node), after, {}); });
        }
    }
    return graph.edge_count() == tasks ? 0 : 1;
}

int bind(std::size_t tensors) {
    const auto pool = std::make_shared<MemoryPool>(std::uint64_t{1} << 26, std::uint64_t{1} << 26);
    const auto tensor = [&pool] {
        TensorView view;
        view.buffer = std::move(pool->allocate(64)).value();
        view.offset = view.buffer->offset();
        view.rank = 1;
        view.shape[0] = 16;
        view.strides[0] = 1;
        return view;
    };
    const auto callable = std::make_shared<Callable>();
    CapturedGraph graph;
    std::vector<CapturedGraph::Replacement> replacements;
    for (std::size_t i = 0; i < tensors; ++i) {
        replacements.emplace_back(tensor(), tensor());
        auto args = std::make_shared<TaskArgs>();
        args->tensors.push_back({replacements.back().first, Tag::inout});
        GraphNode node;
        node.callable = callable;
        node.args = std::move(args);
        graph.add(std::move(node), {}, {});
    }
    graph.seal();
    bool bound = false;
    in_phase(true, [&] { bound = graph.bind(replacements).ok(); });
    return bound ? 0 : 1;
}

// Writes and reads the arguments of a task: three tiles of a matrix, and a scalar.
int pass(bool encoded, std::size_t tasks) {
    const auto pool = std::make_shared<MemoryPool>(std::uint64_t{1} << 20, std::uint64_t{1} << 20);
    TensorView tile;
    tile.buffer = std::move(pool->allocate(64 * 64 * 4)).value();
    tile.offset = tile.buffer->offset();
    tile.rank = 2;
    tile.shape = {16, 16};
    tile.strides = {64, 1};
    TaskArgs args;
    args.tensors.assign(3, {tile, Tag::inout});
    args.scalars.assign(1, 7);
    ArenaMap arenas;
    if (!arenas.attach(tile.buffer->arena_id(), UniqueFd::copy_of(pool->arenas().front()->fd()))) {
        return 1;
    }
    DecodedArguments decoded;
    std::array<std::byte, sizeof Frame::arguments> blob{};
    bool good = true;
    const auto all = [&](bool encode) {
        for (std::size_t task = 0; task < tasks; ++task) {
            if (encode) {
                encode_arguments(args, blob);
            } else {
                good = decode_argument_blob(blob, arenas, decoded).ok() && good;
            }
        }
    };
    in_phase(encoded, [&] { all(true); });
    in_phase(!encoded, [&] { all(false); });
    return good && decoded.tensors.size() == 3 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        return 2;
    }
    const std::string_view phase = argv[1];
    if (phase == "encode" || phase == "decode") {
        return pass(phase == "encode", static_cast<std::size_t>(std::atoi(argv[2])));
    }
    if (phase == "tile" || phase == "buffer") {
        return touch(phase == "tile", static_cast<std::size_t>(std::atoi(argv[2])));
    }
    if (phase == "behind") {
        return behind(static_cast<std::size_t>(std::atoi(argv[2])));
    }
    if (phase == "bind") {
        return bind(static_cast<std::size_t>(std::atoi(argv[2])));
    }
    const bool follows = phase == "follow";
    const auto bursts = static_cast<std::size_t>(std::atoi(argv[2])) / kBurst;

    const auto bell = std::move(ParentBell::create()).value();
    const auto child = std::make_shared<Child>();
    child->state = ChildState::ready;
    child->lane = std::move(ParentLane::create(1024, 0)).value();
    const auto other_end =
        std::move(ChildLane::attach(UniqueFd::copy_of(child->lane->fd()), UniqueFd::copy_of(bell->fd()),
                                    UniqueFd::copy_of(bell->event_fd())))
            .value();
    Alone alone;
    Scheduler scheduler(alone, 2);
    scheduler.add_child(child);
    const auto callable = std::make_shared<Callable>();
    callable->registrations = 1;

    std::uint64_t ended = 0;
    for (std::size_t i = 0; i < bursts; ++i) {
        const auto run = std::make_shared<Run>();
        std::vector<TaskPtr> after;
        in_phase(phase == "submit" || follows, [&] {
            for (std::size_t task_number = 0; task_number < kBurst; ++task_number) {
                auto task = allocate_task();
                task->callable = callable;
                task->placement = 0;
                task->config.trace = 0;
                task->args = no_arguments();
                task->argument_bytes = static_cast<std::uint32_t>(argument_bytes(*task->args));
                if (!scheduler.submit(run, task, after)) {
                    std::abort();
                }
                if (follows) {
                    after.assign(1, std::move(task));
                }
            }
        });
        in_phase(phase == "execute", [&] {
            while (other_end->try_next() != nullptr) {
                other_end->complete(Code::ok, 0, 0, {});
            }
        });
        in_phase(phase == "complete", [&] { ended += scheduler.drain(); });
    }
    std::printf("%zu\n", static_cast<std::size_t>(ended));
    return ended == bursts * kBurst ? 0 : 1;
}
