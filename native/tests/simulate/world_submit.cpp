// World: what the user and the Engine do with runs, tasks, groups and captured graphs.
#include <algorithm>
#include <numeric>
#include <utility>

#include "lane/frame.h"
#include "tests/simulate/fingerprint.h"
#include "tests/simulate/violation.h"
#include "tests/simulate/world.h"

namespace callring::simulate {

namespace {

constexpr std::size_t kMostRuns = 400;
constexpr std::size_t kMostGraphs = 4;

bool has_a_future(const Scheduler& scheduler, std::int32_t place) {
    return scheduler.children()[static_cast<std::size_t>(place)]->has_a_future();
}

std::size_t subs_with_a_future(const Scheduler& scheduler) {
    return static_cast<std::size_t>(
        std::count_if(scheduler.children().begin(), scheduler.children().end(),
                      [](const ChildPtr& child) { return child->kind == ChildKind::sub && child->has_a_future(); }));
}

bool can_run(const Scheduler& scheduler, const std::vector<std::int32_t>& places) {
    return places.front() == kAnyChild ? subs_with_a_future(scheduler) >= places.size()
                                       : std::all_of(places.begin(), places.end(), [&scheduler](std::int32_t place) {
                                             return has_a_future(scheduler, place);
                                         });
}

TensorView whole(const std::shared_ptr<Buffer>& buffer) {
    TensorView view;
    view.buffer = buffer;
    view.offset = buffer->offset();
    view.rank = 1;
    view.shape[0] = static_cast<std::int64_t>(kElements);
    view.strides[0] = 1;
    return view;
}

}  // namespace

std::size_t World::begin_run(Random& random, bool stream) {
    auto run = std::make_shared<Run>();
    run->id = oracle_.runs.size() + 1;
    run->stream = stream;
    event();
    RunFacts facts{run, {}, {}, false, 0};
    const std::size_t before = oracle_.runs.size();
    for (std::size_t i = !stream && random.one_in(3) ? 1 + random.below(2) : 0; i > 0 && before > 0; --i) {
        const std::size_t earlier = before - 1 - random.below(std::min<std::size_t>(4, before));
        if (oracle_.runs[earlier].run->stream) {
            continue;
        }
        facts.follows.push_back({earlier, random.one_in(2)});
        scheduler_.follow(run, oracle_.runs[earlier].run, facts.follows.back().poisoned);
    }
    tell([&] {
        std::string words = stream ? "a stream begins" : "run " + std::to_string(run->id) + " begins";
        for (const Followed& each : facts.follows) {
            words += ", after " + std::to_string(each.run + 1) + (each.poisoned ? "" : " however that ends");
        }
        return words;
    });
    oracle_.runs.push_back(std::move(facts));
    open_.push_back(before);
    uses_.emplace_back();
    live_.push_back(run);
    return before;
}

// Where the parts of a new node are to run; empty if there is no place for any.
std::vector<std::int32_t> World::places(Random& random, bool group) const {
    const std::size_t others = children() - shape_.subs;  // chips and nodes
    const auto other = [&](std::size_t i) { return static_cast<std::int32_t>(i < shape_.chips ? i : i + shape_.subs); };
    const bool on_subs = shape_.subs > 0 && (others == 0 || random.one_in(2));
    if (on_subs) {
        return std::vector<std::int32_t>(group ? 1 + random.below(shape_.subs) : 1, kAnyChild);
    }
    if (!group) {
        return {other(random.below(others))};
    }
    std::vector<std::int32_t> chosen;
    for (std::size_t i = 0; i < others; ++i) {
        if (random.one_in(2)) {
            chosen.push_back(other(i));
        }
    }
    if (chosen.empty()) {
        chosen.push_back(other(random.below(others)));
    }
    return chosen;
}

World::Plan World::plan(Random& random, bool alone) {
    Plan plan;
    plan.group = !alone && random.one_in(7);
    plan.places = places(random, plan.group);
    plan.callable = random.of(callables_);
    CallConfig& config = plan.config;
    config.retries = static_cast<std::uint32_t>(random.below(8) < shape_.retries ? 1 + random.below(2) : 0);
    config.deadline_ns = random.below(8) < shape_.deadlines ? std::uint64_t{1} << (10 + random.below(20)) : 0;
    config.trace = shape_.trace;
    const bool tensors = !alone && !memory_.empty() && random.below(8) < shape_.tensors;
    for (std::size_t i = 0; i < plan.places.size(); ++i) {
        auto args = std::make_shared<TaskArgs>();
        for (std::size_t count = tensors ? 1 + random.below(3) : 0; count > 0; --count) {
            args->tensors.push_back(Memory::argument(memory_.any(random), random));
        }
        args->scalars.resize(random.one_in(12) ? 60 : 1 + random.below(3));  // some do not fit a frame
        plan.args.push_back(std::move(args));
    }
    return plan;
}

bool World::is_refused(const Plan& plan) const {
    const auto retired = [](const std::shared_ptr<TaskArgs>& args) {
        return std::any_of(args->tensors.begin(), args->tensors.end(),
                           [](const TensorArg& argument) { return argument.tensor.buffer->retired(); });
    };
    return std::any_of(plan.args.begin(), plan.args.end(), retired) || (plan.group && write_the_same(plan.args)) ||
           !can_run(scheduler_, plan.places);
}

// Marks the nodes that no child will ever run any more. The members of a group that has begun cannot move.
void World::note_given_up() {
    const auto has_lost_its_place = [this](std::size_t part) {
        const std::int32_t place = oracle_.parts[part].task->placement;
        return place != kAnyChild && !has_a_future(scheduler_, place);
    };
    for (Node& node : oracle_.nodes) {
        if (node.task->state != TaskState::ended &&
            (!can_run(scheduler_, node.places) ||
             std::any_of(node.parts.begin(), node.parts.end(), has_lost_its_place))) {
            node.could_be_given_up = true;
        }
    }
}

// As Engine::prepare(). Returns false if there is no room for arguments that do not fit a frame.
bool World::prepare(Task& task) {
    task.argument_bytes = static_cast<std::uint32_t>(argument_bytes(*task.args));
    if (task.argument_bytes > sizeof(Frame::arguments)) {
        auto buffer = memory_.pool()->allocate(task.argument_bytes);
        if (!buffer) {
            return false;
        }
        task.spill = std::move(buffer).value();
        encode_arguments(*task.args, {task.spill->data(), task.argument_bytes});
        if (task.args->tensors.empty()) {
            task.args = no_arguments();
        }
    }
    return true;
}

// Fills `task` according to `plan`: as a single task, or as the node of a group with new members. Returns false if
// there is no room.
bool World::make(Task& task, const Plan& plan) {
    const auto fill = [&](Task& each, std::shared_ptr<TaskArgs> args, std::int32_t place) {
        each.callable = plan.callable;
        each.config = plan.config;
        each.placement = place;
        each.args = std::move(args);
    };
    if (!plan.group) {
        fill(task, plan.args.front(), plan.places.front());
        return prepare(task);
    }
    fill(task, std::make_shared<TaskArgs>(), kAnyChild);
    bool prepared = prepare(task);
    for (std::size_t i = 0; i < plan.places.size(); ++i) {
        auto member = allocate_task();
        fill(*member, plan.args[i], plan.places[i]);
        member->group = &task;
        prepared = prepare(*member) && prepared;
        task.members.push_back(std::move(member));
    }
    task.open_members = static_cast<std::uint32_t>(task.members.size());
    return prepared;
}

// Writes the numbers that the parts of `plan` will have into their arguments.
void World::number(Plan& plan, std::size_t first) const {
    for (std::size_t i = 0; i < plan.args.size(); ++i) {
        plan.args[i]->scalars.front() = oracle_.parts.size() + first + i;
    }
}

std::size_t World::note(std::size_t run, const TaskPtr& task, const Plan& plan, std::vector<std::size_t> after) {
    const std::size_t index = oracle_.nodes.size();
    Node node{task, run, {}, std::move(after), plan.places, plan.config, false, false};
    for (std::size_t i = 0; i < plan.args.size(); ++i) {
        std::vector<std::byte> bytes(argument_bytes(*plan.args[i]));
        encode_arguments(*plan.args[i], bytes);
        Part part;
        part.task = plan.group ? task->members[i] : task;
        part.node = index;
        part.arguments = fingerprint(bytes);
        part.argument_bytes = bytes.size();
        node.parts.push_back(oracle_.parts.size());
        oracle_.parts.push_back(std::move(part));
    }
    oracle_.nodes.push_back(std::move(node));
    oracle_.runs[run].nodes.push_back(index);
    return index;
}

void World::forget_from(std::size_t node, std::size_t part) {
    oracle_.nodes.resize(node);
    oracle_.parts.resize(part);
}

std::string World::words_for(const Plan& plan, const std::vector<std::size_t>& after) const {
    std::string words = plan.group ? ", a group" : "";
    for (const std::int32_t& place : plan.places) {
        words +=
            (words.empty() || &place == &plan.places.front() ? " on " : " and ") +
            (place == kAnyChild ? "any sub-worker" : scheduler_.children()[static_cast<std::size_t>(place)]->name());
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
        words += (i == 0 ? ", after " : ", ") + std::to_string(oracle_.nodes[after[i]].task->id);
    }
    words += plan.config.retries > 0 ? ", retries " + std::to_string(plan.config.retries) : "";
    words += plan.config.deadline_ns > 0 ? ", deadline " + std::to_string(plan.config.deadline_ns) + " ns" : "";
    return words;
}

// Chooses a few positions among `count`, more often the last ones: this makes chains, fans, and other graphs.
std::vector<std::size_t> World::some_of(std::size_t count, Random& random) {
    std::vector<std::size_t> chosen;
    const bool many = random.one_in(8);
    const std::size_t recent = std::min<std::size_t>(count, many ? 12 : 8);
    for (std::size_t i = count > 0 ? random.below(many ? 16 : 3) : 0; i > 0; --i) {
        chosen.push_back(random.one_in(3) ? count - 1 : count - 1 - random.below(random.one_in(8) ? count : recent));
    }
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    return chosen;
}

void World::submit(Random& random) {
    std::erase_if(open_, [this](std::size_t i) { return oracle_.runs[i].run->sealed; });
    const std::vector<std::size_t> open(
        open_.rbegin(), open_.rbegin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(3, open_.size())));
    if (open.empty() && oracle_.runs.size() >= kMostRuns) {
        return;
    }
    const std::size_t index = open.empty() ? begin_run(random, false) : random.of(open);
    RunFacts& facts = oracle_.runs[index];
    Plan plan = this->plan(random, facts.run->stream);
    number(plan, 0);
    const TaskPtr task = allocate_task();
    task->awaited = facts.run->stream && random.one_in(2);
    if (!make(*task, plan)) {
        return;
    }
    std::vector<TaskPtr> named;
    std::vector<std::size_t> after;
    if (!facts.run->stream) {
        for (const std::size_t i : some_of(facts.nodes.size(), random)) {
            after.push_back(facts.nodes[i]);
            named.push_back(oracle_.nodes[facts.nodes[i]].task);
        }
    }
    const bool refused = is_refused(plan);
    if (!refused) {
        for (const auto& args : plan.args) {
            for (const TensorArg& argument : args->tensors) {
                uses_[index].record(oracle_.nodes.size(), argument, after);
            }
        }
    }
    const std::size_t node = oracle_.nodes.size();
    const std::size_t part = oracle_.parts.size();
    const std::string words = tells ? words_for(plan, after) : "";
    note(index, task, plan, std::move(after));
    plan.args.clear();
    event();
    if (!refused) {
        used_.insert(task->callable.get());
    }
    if (const auto accepted = scheduler_.submit(facts.run, task, named); accepted.ok() == refused) {
        throw Violation(refused ? "a task was accepted that cannot run"
                                : "a task was refused: " + accepted.error().message);
    }
    require(refused || !facts.cancelled || task->code == Code::cancelled || task->state != TaskState::ended,
            "a task of a cancelled run ended as something else");
    require(refused || !facts.cancelled || task->state == TaskState::ended, "a cancelled run accepted a task to run");
    tell([&] {
        return "task " + std::to_string(task->id) + " of run " + std::to_string(facts.run->id) + words +
               (refused ? " is refused" : "");
    });
    if (refused) {
        facts.nodes.pop_back();
        forget_from(node, part);
    }
}

void World::capture(Random& random) {
    Graph captured;
    captured.graph = std::make_shared<CapturedGraph>();
    Uses uses;
    const std::size_t count = 1 + random.below(7);
    for (std::size_t id = 0; id < count; ++id) {
        Plan plan = this->plan(random, false);
        if (plan.group && write_the_same(plan.args)) {
            continue;
        }
        std::vector<std::size_t> after = some_of(captured.plans.size(), random);
        const std::vector<NodeId> named(after.begin(), after.end());
        GraphNode node{plan.callable, no_arguments(), kAnyChild, plan.config, {}};
        std::vector<CapturedGraph::ParameterUse> parameters;
        for (std::size_t i = 0; i < plan.args.size(); ++i) {
            parameters.push_back({static_cast<std::uint32_t>(i), 0, captured.graph->add_parameter(UINT64_MAX)});
            for (const TensorArg& argument : plan.args[i]->tensors) {
                captured.buffers.push_back(argument.tensor.buffer);
                uses.record(captured.plans.size(), argument, after);
            }
            if (plan.group) {
                node.members.emplace_back(plan.args[i], plan.places[i]);
            } else {
                node.args = plan.args[i];
                node.placement = plan.places[i];
            }
        }
        captured.graph->add(std::move(node), named, parameters);
        captured.plans.push_back(std::move(plan));
        captured.after.push_back(std::move(after));
    }
    captured.graph->seal();
    if (graphs_.size() >= kMostGraphs) {
        graphs_.erase(graphs_.begin());
    }
    graphs_.push_back(std::move(captured));
}

// The plans of a launch of `captured`, with one of its buffers replaced by another at times.
std::vector<World::Plan> World::bind(const Graph& captured, GraphArguments& arguments, Random& random) const {
    std::vector<CapturedGraph::Replacement> replacements;
    std::vector<Plan> plans = captured.plans;
    std::shared_ptr<Buffer> from;
    std::shared_ptr<Buffer> to;
    if (!captured.buffers.empty() && !memory_.empty() && random.one_in(2)) {
        from = random.of(captured.buffers);
        to = memory_.any(random);
        if (std::find(captured.buffers.begin(), captured.buffers.end(), to) == captured.buffers.end()) {
            replacements.emplace_back(whole(from), whole(to));
        } else {
            from = nullptr;
        }
    }
    std::size_t parts = 0;
    for (Plan& plan : plans) {
        for (auto& args : plan.args) {
            args = std::make_shared<TaskArgs>(*args);
            for (TensorArg& argument : args->tensors) {
                if (from && argument.tensor.buffer == from) {
                    argument.tensor.buffer = to;
                    argument.tensor.offset = to->offset() + (argument.tensor.offset - from->offset());
                }
            }
        }
        number(plan, parts);
        for (const auto& args : plan.args) {
            arguments.scalars.push_back(args->scalars.front());
        }
        parts += plan.args.size();
    }
    const auto bound = captured.graph->bind(replacements);
    require(bound.ok(), "a graph could not be bound");
    arguments.tensors = *bound;
    require(captured.graph->check_launch(arguments).ok(), "a launch was refused");
    return plans;
}

// As Engine::launch().
void World::launch(Random& random) {
    if (closing_ || oracle_.runs.size() >= kMostRuns) {
        return;
    }
    if (graphs_.empty() || random.one_in(4)) {
        capture(random);
    }
    const Graph captured = random.of(graphs_);
    GraphArguments arguments;
    std::vector<Plan> plans = bind(captured, arguments, random);
    TaskBlock tasks(plans.size());
    const std::size_t first_node = oracle_.nodes.size();
    const std::size_t first_part = oracle_.parts.size();
    bool refused = false;
    bool room = true;
    for (std::size_t id = 0; id < plans.size(); ++id) {
        Plan used = plans[id];
        for (std::size_t i = 0; i < used.args.size(); ++i) {
            const BoundNode& bound = (*arguments.tensors)[id];
            used.args[i] = std::make_shared<TaskArgs>(
                used.group ? *captured.graph->with_scalars(static_cast<NodeId>(id), static_cast<std::uint32_t>(i),
                                                           bound.members[i], arguments.scalars)
                           : *bound.args);
        }
        Task& task = tasks[id];
        task.rescaled = !used.group && captured.graph->has_parameters(static_cast<NodeId>(id));
        room = make(task, used) && room;
        if (task.rescaled && task.spill) {
            captured.graph->put_scalars(static_cast<NodeId>(id), arguments.scalars,
                                        {task.spill->data(), task.argument_bytes});
        }
        refused = refused || is_refused(plans[id]);
    }
    if (!room) {
        return;
    }
    const std::size_t index = begin_run(random, false);
    RunFacts& facts = oracle_.runs[index];
    const RunPtr run = facts.run;
    for (std::size_t id = 0; id < plans.size(); ++id) {
        std::vector<std::size_t> after = captured.after[id];
        for (std::size_t& each : after) {
            each += first_node;
        }
        note(index, TaskPtr(&tasks[id]), plans[id], std::move(after));
    }
    event();
    run->graph = captured.graph;
    run->scalars = arguments.scalars;
    for (const Plan& plan : plans) {
        if (!refused) {
            used_.insert(plan.callable.get());
        }
    }
    plans.clear();
    const auto accepted = scheduler_.launch(run, std::move(tasks));
    if (accepted.ok() == refused) {
        throw Violation(refused ? "a launch was accepted that cannot run"
                                : "a launch was refused: " + accepted.error().message);
    }
    if (refused) {
        oracle_.runs[index].nodes.clear();
        forget_from(first_node, first_part);
        tell([&] { return "its launch is refused"; });
    } else if (tells) {
        for (std::size_t i = first_node; i < oracle_.nodes.size(); ++i) {
            Plan plan;
            plan.group = !oracle_.nodes[i].task->members.empty();
            plan.places = oracle_.nodes[i].places;
            plan.config = oracle_.nodes[i].config;
            tell([&] {
                return "it launches task " + std::to_string(i - first_node) + words_for(plan, oracle_.nodes[i].after);
            });
        }
    }
    seal(oracle_.runs[index]);
}

void World::seal(const RunFacts& facts) {
    event();
    tell([&] { return "run " + std::to_string(facts.run->id) + " is sealed"; });
    scheduler_.seal(*facts.run);
    stream_told_ = stream_told_ || facts.run->stream;  // Engine::seal() notifies the takers
}

void World::seal_any(Random& random) {
    for (std::size_t i = oracle_.runs.size(); i-- > 0;) {
        if (!oracle_.runs[i].run->sealed && random.one_in(2)) {
            seal(oracle_.runs[i]);
            return;
        }
    }
}

void World::cancel(RunFacts& facts) {
    facts.cancelled = facts.cancelling = true;
    scheduler_.cancel(*facts.run);
    facts.cancelling = false;
}

void World::cancel_run(Random& random) {
    if (oracle_.runs.empty()) {
        return;
    }
    const std::size_t recent = std::min<std::size_t>(oracle_.runs.size(), 6);
    RunFacts& facts = oracle_.runs[oracle_.runs.size() - 1 - random.below(recent)];
    event();
    tell([&] { return "run " + std::to_string(facts.run->id) + " is cancelled"; });
    cancel(facts);
    for (const std::size_t n : facts.nodes) {
        const TaskState state = oracle_.nodes[n].task->state;
        require(state == TaskState::ended || state == TaskState::dispatched,
                "a cancelled run keeps a task that had not begun");
        for (const std::size_t i : oracle_.nodes[n].parts) {
            require(oracle_.parts[i].task->state != TaskState::ready, "a cancelled run keeps a member that waits");
        }
    }
}

void World::cancel_task(Random& random) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = oracle_.nodes.size(); i-- > 0 && chosen.size() < 4;) {
        if (oracle_.runs[oracle_.nodes[i].run].run->stream) {
            chosen.push_back(i);
        }
    }
    if (chosen.empty()) {
        return;
    }
    Node& node = oracle_.nodes[random.of(chosen)];
    event();
    const bool before = node.cancelled;
    node.cancelled = true;
    const bool withdrawn = scheduler_.cancel(node.task);
    node.cancelled = before || withdrawn;
    tell([&] { return oracle_.describe(node) + (withdrawn ? " is cancelled" : " cannot be cancelled any more"); });
    require(!withdrawn || node.task->code == Code::cancelled, "a task was withdrawn, and did not end as cancelled");
}

// As Engine::end_running().
void World::end_running(Random& random) {
    std::vector<std::size_t> running;
    for (const auto& actor : actors_) {
        if (actor->claimed && actor->executes) {
            running.push_back(*actor->claimed);
        }
    }
    if (running.empty()) {
        return;
    }
    drain();
    Part& part = oracle_.parts[random.of(running)];
    const Code code = random.one_in(2) ? Code::cancelled : Code::worker_lost;
    event();
    if (!scheduler_.end_running(part.task, code)) {
        return;
    }
    part.ended_as = code;
    tell([&] { return oracle_.describe(oracle_.nodes[part.node]) + " is to end, though it runs"; });
    Child& each = child(static_cast<std::size_t>(part.task->child));
    condemn(each, each.condemned);
}

void World::take(Random& random) {
    for (const RunFacts& facts : oracle_.runs) {
        if (facts.run->stream && (stream_told_ || random.one_in(2))) {
            facts.run->outbox.clear();
        }
    }
    stream_told_ = false;
}

// As Engine::close(), when the time for accepted tasks is over.
void World::close() {
    if (closing_) {
        return;
    }
    event();
    tell([&] { return "the Worker is closed"; });
    closing_ = true;
    for (RunFacts& facts : oracle_.runs) {
        cancel(facts);
    }
    for (std::size_t i = 0; i < children(); ++i) {
        Child& each = child(i);
        if (each.state == ChildState::starting && !actors_[i]->launched) {
            each.state = ChildState::closed;
            note_given_up();
            scheduler_.give_up(each, {.child = each.name(), .reason = "the Worker was closed"});
        } else if (actors_[i]->launched) {
            actors_[i]->dead = true;
        }
    }
}

}  // namespace callring::simulate
