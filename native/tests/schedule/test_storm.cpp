// The scheduler under fire: random graphs, launches and streams, while children fail, die, come back, are given up, and
// tasks are cancelled and exceed their deadlines. Every execution is checked against the graph (machine.h), and after
// every step the books must agree with each other.
#include <numeric>
#include <random>
#include <string>

#include "common/clock.h"
#include "tests/schedule/machine.h"

using namespace callring;
using callring::test::Machine;

namespace {

constexpr std::size_t kChips = 2;
constexpr std::size_t kSubs = 3;
constexpr std::uint64_t kHourNs = 3'600'000'000'000;

class Storm {
public:
    explicit Storm(std::uint64_t seed) : random_(seed) {}

    void run(std::size_t steps) {
        for (std::size_t i = 0; i < steps; ++i) {
            step();
            check();
        }
        for (const Started& each : runs_) {
            machine_.scheduler.seal(*each.run);
        }
        for (std::size_t i = 0; i < machine_.size(); ++i) {
            revive(i);
        }
        machine_.settle();
        check();
        for (const Started& each : runs_) {
            CHECK(each.run->finished());
            CHECK_FALSE(each.run->self);
        }
        account();
        CHECK(machine_.scheduler.pending() == 0);
        CHECK_FALSE(machine_.scheduler.needs_progress());
        CHECK(machine_.callable->in_flight == 0);
    }

    std::size_t deaths = 0;

private:
    struct Started {
        RunPtr run;
        std::vector<std::pair<TaskPtr, std::vector<std::size_t>>> nodes;  // with the parts of each
        std::vector<std::pair<RunPtr, bool>> follows;                     // and whether it is skipped if that failed
    };

    Started start_run() {
        Started started{std::make_shared<Run>(), {}, {}};
        started.run->id = runs_.size() + 1;
        for (std::size_t i = one_in(2) ? below(3) : 0; i > 0 && !runs_.empty(); --i) {
            started.follows.emplace_back(runs_[runs_.size() - 1 - below(std::min<std::size_t>(4, runs_.size()))].run,
                                         one_in(2));
            machine_.scheduler.follow(started.run, started.follows.back().first, started.follows.back().second);
        }
        return started;
    }

    void note_follows(const Started& started, std::size_t first_part) {
        for (std::size_t i = first_part; i < machine_.parts.size(); ++i) {
            for (const auto& [run, poisoned] : started.follows) {
                machine_.parts[i].follows.push_back(run);
            }
        }
    }

    std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
    bool one_in(std::size_t n) { return below(n) == 0; }

    void step() {
        const std::size_t index = below(machine_.size());
        Child& child = machine_.child(index);
        switch (below(16)) {
            case 0:
            case 1:
                submit();
                break;
            case 2:
                launch();
                break;
            case 3:
                if (child.state == ChildState::ready) {
                    lose(child);
                } else {
                    revive(index);
                }
                break;
            case 4:
                cancel();
                break;
            case 5:
                // As if an hour had passed: what runs and has a deadline has exceeded it.
                if (child.state == ChildState::ready && child.condemned.empty() &&
                    machine_.scheduler.expire(child, now_ns() + kHourNs, 2 * kHourNs)) {
                    CHECK_FALSE(child.condemned.empty());
                }
                break;
            case 6:
                machine_.scheduler.share_out();
                break;
            case 7:
                revive(index);
                break;
            case 8:
            case 9:
                static_cast<void>(machine_.scheduler.drain());
                break;
            default:
                if (child.state == ChildState::ready) {
                    if (machine_.begin(index) && !one_in(4)) {
                        machine_.complete(index, !one_in(8));
                    }
                }
        }
    }

    void lose(Child& child) {
        ++deaths;
        // One of each kind stays, or hardly anything would run in the end.
        const bool for_good = one_in(64) && child.index != 0 && child.index != kChips;
        machine_.lose(child, for_good);
    }

    void revive(std::size_t index) {
        Child& child = machine_.child(index);
        if (child.state == ChildState::ready && !child.condemned.empty()) {
            lose(child);
        }
        if (child.state == ChildState::starting) {
            machine_.start(child);
        }
    }

    CallConfig config() {
        CallConfig chosen;
        chosen.retries = static_cast<std::uint32_t>(one_in(3) ? below(3) : 0);
        chosen.deadline_ns = one_in(4) ? 1'000'000'000 : 0;
        return chosen;
    }

    std::int32_t place() { return one_in(2) ? kAnyChild : static_cast<std::int32_t>(below(kChips)); }

    // A chain, a fan, or any graph: some of the nodes of a run, mostly its latest.
    std::vector<std::size_t> earlier(std::size_t count) {
        std::vector<std::size_t> chosen;
        for (std::size_t i = below(4); i > 0 && count > 0; --i) {
            chosen.push_back(one_in(2) ? count - 1 : below(count));
        }
        std::sort(chosen.begin(), chosen.end());
        chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
        return chosen;
    }

    std::vector<std::int32_t> group_places() {
        if (one_in(2)) {
            std::vector<std::int32_t> places(kChips);
            std::iota(places.begin(), places.end(), 0);
            return places;
        }
        return std::vector<std::int32_t>(1 + below(kSubs), kAnyChild);
    }

    void submit() {
        if (runs_.empty() || one_in(6) || runs_.back().run->sealed) {
            if (!runs_.empty()) {
                machine_.scheduler.seal(*runs_.back().run);
            }
            runs_.push_back(start_run());
        }
        Started& started = runs_.back();
        for (std::size_t count = 1 + below(6); count > 0; --count) {
            std::vector<TaskPtr> after;
            std::vector<std::size_t> after_parts;
            for (const std::size_t i : earlier(started.nodes.size())) {
                after.push_back(started.nodes[i].first);
                after_parts.insert(after_parts.end(), started.nodes[i].second.begin(), started.nodes[i].second.end());
            }
            const std::size_t first = machine_.parts.size();
            const TaskPtr task = one_in(6) ? machine_.group(group_places(), after_parts, config())
                                           : machine_.task(place(), after_parts, config());
            if (machine_.scheduler.submit(started.run, task, after)) {
                started.nodes.emplace_back(task, parts_since(first));
                note_follows(started, first);
            } else {
                machine_.parts.resize(first);  // all children that could run it were given up
                task->members.clear();
            }
        }
    }

    std::vector<std::size_t> parts_since(std::size_t first) {
        std::vector<std::size_t> parts(machine_.parts.size() - first);
        std::iota(parts.begin(), parts.end(), first);
        return parts;
    }

    void launch() {
        auto graph = std::make_shared<CapturedGraph>();
        const std::size_t count = 1 + below(6);
        auto block = std::make_shared<std::vector<Task>>(count);
        if (!runs_.empty()) {
            machine_.scheduler.seal(*runs_.back().run);
        }
        Started started = start_run();
        const std::size_t first_part = machine_.parts.size();
        for (std::size_t id = 0; id < count; ++id) {
            std::vector<NodeId> after;
            std::vector<std::size_t> after_parts;
            for (const std::size_t i : earlier(id)) {
                after.push_back(static_cast<NodeId>(i));
                after_parts.insert(after_parts.end(), started.nodes[i].second.begin(), started.nodes[i].second.end());
            }
            const std::size_t first = machine_.parts.size();
            const TaskPtr made = one_in(6) ? machine_.group(group_places(), after_parts, config())
                                           : machine_.task(place(), after_parts, config());
            graph->add({machine_.callable, {}, made->placement, made->config, {}}, after, {});
            Task& task = (*block)[id];
            task.callable = made->callable;
            task.args = made->args;
            task.argument_bytes = made->argument_bytes;
            task.placement = made->placement;
            task.config = made->config;
            task.members = std::exchange(made->members, {});
            task.open_members = made->open_members;
            const TaskPtr alias(block, &task);
            for (const TaskPtr& member : task.members) {
                member->group = alias;
            }
            if (task.members.empty()) {
                machine_.parts[first].task = alias;
            }
            started.nodes.emplace_back(alias, parts_since(first));
        }
        graph->seal();
        note_follows(started, first_part);
        started.run->graph = graph;
        started.run->launched = block;
        if (machine_.scheduler.launch(started.run)) {
            machine_.scheduler.seal(*started.run);
            runs_.push_back(std::move(started));
        } else {
            for (Task& task : *block) {
                task.members.clear();
            }
            machine_.parts.resize(first_part);
        }
    }

    void cancel() {
        if (!runs_.empty() && one_in(2)) {
            machine_.scheduler.cancel(*runs_[below(runs_.size())].run);
        }
    }

    // What the scheduler says of itself must agree, at any time.
    void check() {
        const Scheduler& scheduler = machine_.scheduler;
        std::vector<RunPtr> runs;
        for (const Started& each : runs_) {
            runs.push_back(each.run);
        }
        CHECK(scheduler.contradiction(runs) == "");
    }

    // Every part is accounted for by the code of its task.
    void account() {
        for (const callring::test::Part& part : machine_.parts) {
            const Task& task = *part.task;
            CHECK(task.state == TaskState::ended);
            switch (task.code) {
                case Code::ok:
                    CHECK(part.done);
                    break;
                case Code::skipped:
                    CHECK(part.begun == 0);
                    break;
                case Code::kernel_failed:
                case Code::python_exception:
                case Code::worker_lost:
                case Code::task_timeout:
                    CHECK(part.begun > 0);
                    break;
                case Code::cancelled:
                case Code::given_up:
                    break;
                default:
                    FAIL("a task ended in a way that nothing here causes");
            }
        }
        for (const Started& each : runs_) {
            for (const auto& [earlier, poisoned] : each.follows) {
                if (poisoned && (!earlier->failures.empty() || earlier->withdrawn || earlier->poison)) {
                    CHECK(each.run->poison);
                }
            }
            for (const auto& [task, parts] : each.nodes) {
                CHECK((!each.run->poison || std::all_of(parts.begin(), parts.end(), [this](std::size_t i) {
                    return machine_.parts[i].begun == 0;
                })));
            }
        }
        CHECK(machine_.runs_finished == runs_.size());
        const TaskCounts& counts = scheduler().counts();
        CHECK(counts.accepted ==
              counts.done + counts.failed + counts.lost + counts.timed_out + counts.skipped + counts.cancelled);
    }

    [[nodiscard]] const Scheduler& scheduler() const { return machine_.scheduler; }

    std::mt19937_64 random_;
    Machine machine_{kChips, kSubs};
    std::vector<Started> runs_;
};

}  // namespace

TEST_CASE("whatever dies, every accepted task ends once, in order, and no more often than it may begin") {
    std::size_t deaths = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Storm storm(seed);
        storm.run(400);
        deaths += storm.deaths;
    }
    MESSAGE(deaths << " deaths");
}
