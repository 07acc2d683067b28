// World: one scheduler, the children that the simulator plays, and the Engine's part in between, in one thread and in
// virtual time. It executes a program step by step, and throws a Violation when an event is wrong.
// Its parts: world.cpp (steps, time, the end), world_submit.cpp (runs, tasks, groups, graphs), world_children.cpp (what
// children do, deaths, replacements).
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "schedule/scheduler.h"
#include "task/captured_graph.h"
#include "tests/simulate/actor.h"
#include "tests/simulate/memory.h"
#include "tests/simulate/oracle.h"
#include "tests/simulate/program.h"
#include "tests/simulate/random.h"

namespace callring::simulate {

struct Figures {
    std::uint64_t events = 0;  // events that the scheduler received, and actions of children
    std::uint64_t tasks = 0;
    std::uint64_t executions = 0;
    std::uint64_t deaths = 0;
    std::uint64_t runs = 0;

    Figures& operator+=(const Figures& other);
};

class World : private Surroundings {
public:
    // Checks the scheduler's own invariants after every `check_every` steps.
    World(const Shape& shape, std::size_t check_every);
    ~World();

    void step(const Step& step);
    // Lets children act in the middle of an action of the parent.
    void meanwhile();
    // Brings all accepted tasks to their ends, and checks these.
    void settle();

    [[nodiscard]] const Figures& figures() const noexcept { return figures_; }
    // What the last step did, in words; only if `tells`.
    bool tells = false;
    std::string told;

private:
    static constexpr std::size_t kCores = 2;
    static constexpr std::size_t kFewNodes = 1024;  // most programs have fewer

    struct Plan {  // the arguments of a node's submission
        bool group = false;
        std::vector<std::int32_t> places;
        std::vector<std::shared_ptr<TaskArgs>> args;
        CallConfig config;
        CallablePtr callable;
    };
    struct Graph {
        std::shared_ptr<CapturedGraph> graph;
        std::vector<Plan> plans;
        std::vector<std::vector<std::size_t>> after;  // of each of its nodes
        std::vector<std::shared_ptr<Buffer>> buffers;
    };

    // Surroundings.
    [[nodiscard]] std::uint64_t now_ns() const noexcept override;
    void wake(Child& child) override;
    void on_callable_idle(const CallablePtr& callable) override;
    void on_protocol_violation(Child& child, const std::string& what) override;
    void on_run_finished(Run& run) override;
    void on_deadline_set(std::uint64_t at_ns) override;

    // Adds to `told` what `words` returns. It is called only if it is needed: building a string takes longer than most
    // events.
    template <typename Words>
    void tell(const Words& words) {
        if (tells) {
            told += (told.empty() ? std::string() : "; ") + words();
        }
    }
    void event() { ++figures_.events; }
    void check() const;
    void check_starved() const;
    void check_told() const;

    // world_submit.cpp
    std::size_t begin_run(Random& random, bool stream);
    [[nodiscard]] std::vector<std::int32_t> places(Random& random, bool group) const;
    [[nodiscard]] Plan plan(Random& random, bool alone);
    [[nodiscard]] bool is_refused(const Plan& plan) const;
    void note_given_up();
    [[nodiscard]] bool prepare(Task& task);
    [[nodiscard]] bool make(Task& task, const Plan& plan);
    void number(Plan& plan, std::size_t first) const;
    std::size_t note(std::size_t run, const TaskPtr& task, const Plan& plan, std::vector<std::size_t> after);
    void forget_from(std::size_t node, std::size_t part);
    [[nodiscard]] std::string words_for(const Plan& plan, const std::vector<std::size_t>& after) const;
    [[nodiscard]] static std::vector<std::size_t> some_of(std::size_t count, Random& random);
    void submit(Random& random);
    void capture(Random& random);
    [[nodiscard]] std::vector<Plan> bind(const Graph& captured, GraphArguments& arguments, Random& random) const;
    void launch(Random& random);
    void seal(const RunFacts& facts);
    void seal_any(Random& random);
    void cancel(RunFacts& facts);
    void cancel_run(Random& random);
    void cancel_task(Random& random);
    void end_running(Random& random);
    void take(Random& random);
    void close();

    // world_children.cpp
    [[nodiscard]] std::size_t children() const noexcept { return actors_.size(); }
    [[nodiscard]] Child& child(std::size_t index) { return *scheduler_.children()[index]; }
    [[nodiscard]] bool can_act(std::size_t index);
    bool act(std::size_t index, Random& random, bool to_the_end);
    bool claim(std::size_t index);
    void check_together(std::size_t number);
    [[nodiscard]] std::size_t part_of(const Frame& frame) const;
    void complete(std::size_t index, Random& random);
    void completed(std::size_t index);
    void condemn(Child& child, const std::string& why);
    void die(std::size_t index, Random& random);
    void notice(std::size_t index, bool for_good);
    void child_died(std::size_t index, bool lost);
    bool start(std::size_t index, Random& random, bool surely);
    bool ready(std::size_t index, Random& random, bool surely);
    void lie(std::size_t index, Random& random);
    void taint(std::size_t index);
    void pass_time(std::uint64_t ns);
    void on_deadline();
    void expire(std::size_t index);
    [[nodiscard]] Part& part_with(const Task& task);
    void check_deadlines();
    void check_shared_out() const;
    std::size_t drain();
    void listen();
    [[nodiscard]] bool is_calm();
    void settle_children();

    Shape shape_;
    std::size_t check_every_;
    std::size_t steps_ = 0;
    Memory memory_;
    Scheduler scheduler_{*this, kCores};
    Oracle oracle_{scheduler_};
    std::vector<std::unique_ptr<Actor>> actors_;
    std::vector<CallablePtr> callables_;
    std::set<const Callable*> used_;    // callables that were not reported as idle since their last use
    mutable std::vector<RunPtr> live_;  // runs that may have tasks
    std::vector<std::size_t> open_;     // runs that may accept tasks, the oldest first
    std::vector<Uses> uses_;            // by run
    std::vector<Graph> graphs_;
    std::uint64_t armed_ns_ = 0;
    std::uint64_t submits_ = 0;
    bool stream_told_ = false;
    Random races_{0};
    bool may_race_ = false;  // in this step
    bool racing_ = false;    // a child acts in the middle of an action
    std::uint64_t raced_ = 0;
    // By child: the first frame at whose end the driver has to be awake; empty: it sleeps through none.
    std::vector<std::uint64_t> heeded_;
    bool heard_ = false;          // a task has failed since
    std::uint64_t finished_ = 0;  // runs
    bool closing_ = false;
    bool lied_ = false;
    Figures figures_;
};

}  // namespace callring::simulate
