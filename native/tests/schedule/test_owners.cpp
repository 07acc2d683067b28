// Scheduler: no event uses a task or a run without an owner. Callers that keep nothing show it, under
// AddressSanitizer: there a freed task is not used again at once.
#include <array>
#include <deque>
#include <random>

#include "tests/schedule/scheduler_fixture.h"

using namespace callring;
using callring::test::SchedulerFixture;

namespace {

constexpr std::int32_t kChildren = 4;

std::shared_ptr<CapturedGraph> diamond(const SchedulerFixture& parent) {
    auto graph = std::make_shared<CapturedGraph>();
    const auto add = [&](std::int32_t on, const std::vector<NodeId>& after) {
        GraphNode node;
        node.callable = parent.callable;
        node.args = no_arguments();
        node.placement = on;
        return graph->add(std::move(node), after, {});
    };
    const NodeId first = add(0, {});
    add(1, {add(0, {first}), add(kAnyChild, {first})});
    graph->seal();
    return graph;
}

// Random work whose tasks are kept while they are among the last few, and whose runs are kept until they have finished.
class Careless {
public:
    explicit Careless(std::uint32_t seed) : random_(seed), parent_(2, 2, 4), graph_(diamond(parent_)) {}

    void step() {
        const auto index = static_cast<std::int32_t>(below(kChildren));
        switch (below(16)) {
            case 0:
                begin_run();
                break;
            case 1:
                launch();
                break;
            case 2:
            case 3:
            case 4:
            case 5:
                submit();
                break;
            case 6:
                parent_.drain();
                break;
            case 7:
                if (below(3) == 0) {
                    parent_.die(index);
                    parent_.start(index);
                    busy_.at(static_cast<std::size_t>(index)) = 0;
                }
                break;
            case 8:
                if (!parent_.runs.empty()) {
                    const RunPtr run = parent_.runs[below(parent_.runs.size())];
                    below(3) == 0 ? parent_.cancel(run) : parent_.seal(run);
                }
                break;
            default:
                act(index);
        }
        parent_.begun.clear();
        std::erase_if(parent_.runs, [](const RunPtr& run) {
            run->outbox.clear();
            return run->finished();
        });
    }

    // Everything ends, and nothing is left.
    void settle() {
        last_.clear();
        for (std::int32_t index = 0; index < kChildren; ++index) {
            if (busy_.at(static_cast<std::size_t>(index)) != 0) {
                parent_.complete(index);
            }
        }
        for (const RunPtr& run : parent_.runs) {
            parent_.seal(run);
        }
        parent_.work_all();
        parent_.begun.clear();
        parent_.runs.clear();
        CHECK(parent_.scheduler.pending() == 0);
        CHECK(parent_.callable.use_count() == 1 + 5);  // the fixture; the graph's nodes, and its list
    }

private:
    std::size_t below(std::size_t bound) { return random_() % bound; }

    RunPtr begin_run() {
        const RunPtr earlier = parent_.runs.empty() ? nullptr : parent_.runs[below(parent_.runs.size())];
        RunPtr run = parent_.begin_run(below(4) == 0);
        run->id = ++runs_begun_;
        if (earlier && !earlier->stream && !run->stream && below(2) == 0) {
            parent_.scheduler.follow(run, earlier, below(2) == 0);
        }
        return run;
    }
    void launch() {
        const RunPtr run = begin_run();
        if (run->stream) {
            return;
        }
        TaskBlock tasks(graph_->size());
        for (NodeId id = 0; id < graph_->size(); ++id) {
            parent_.fill(tasks[id], {.on = graph_->node(id).placement});
        }
        run->graph = graph_;
        REQUIRE(parent_.scheduler.launch(run, std::move(tasks)).ok());
        parent_.check();
        parent_.seal(run);
    }
    void submit() {
        std::vector<RunPtr> open;
        std::copy_if(parent_.runs.begin(), parent_.runs.end(), std::back_inserter(open),
                     [](const RunPtr& run) { return !run->sealed; });
        if (open.empty()) {
            return;
        }
        const RunPtr run = open[below(open.size())];
        std::vector<TaskPtr> after;
        for (const TaskPtr& task : last_) {
            if (!run->stream && task->run_id == run->id && below(2) == 0) {
                after.push_back(task);
            }
        }
        const auto place = [&] { return below(2) == 0 ? kAnyChild : static_cast<std::int32_t>(below(2)); };
        if (!run->stream && below(6) == 0) {
            const bool on_chips = below(2) == 0;
            last_.push_back(parent_.submit_group(
                run, {{.on = on_chips ? 0 : kAnyChild, .retries = 1}, {.on = on_chips ? 1 : kAnyChild}}, after));
        } else {
            last_.push_back(
                parent_.submit(run, {.on = place(), .after = after, .retries = static_cast<std::uint32_t>(below(2))}));
        }
        if (last_.size() > below(4)) {
            last_.pop_front();
        }
    }
    void act(std::int32_t index) {
        char& busy = busy_.at(static_cast<std::size_t>(index));
        if (busy == 0) {
            busy = parent_.claim(index) != nullptr ? 1 : 0;
            return;
        }
        busy = 0;
        if (below(8) == 0) {
            parent_.fail(index);
        } else {
            parent_.complete(index);
        }
    }

    std::mt19937 random_;
    SchedulerFixture parent_;
    std::shared_ptr<CapturedGraph> graph_;
    std::deque<TaskPtr> last_;
    std::array<char, kChildren> busy_{};
    std::uint64_t runs_begun_ = 0;
};

}  // namespace

TEST_CASE(
    "whatever happens, no event needs a task or a run that only the scheduler knows, and none is left at the end") {
    for (std::uint32_t seed = 0; seed < 150; ++seed) {
        CAPTURE(seed);
        Careless work(seed);
        for (int step = 0; step < 300; ++step) {
            work.step();
        }
        work.settle();
    }
}
