#include "tests/simulate/world.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "tests/simulate/violation.h"

namespace callring {

namespace {
simulate::World* the_world = nullptr;
}  // namespace

void meanwhile() {
    if (the_world != nullptr) {
        the_world->meanwhile();
    }
}

}  // namespace callring

namespace callring::simulate {

namespace {

constexpr std::uint64_t kBeginNs = 1'000'000'000;  // 0 is no valid time
constexpr std::uint64_t kStepNs = 200;

}  // namespace

Figures& Figures::operator+=(const Figures& other) {
    events += other.events;
    tasks += other.tasks;
    executions += other.executions;
    deaths += other.deaths;
    runs += other.runs;
    return *this;
}

World::World(const Shape& shape, std::size_t check_every) : shape_(shape), check_every_(check_every) {
    simulated_now_ns() = kBeginNs;
    oracle_.nodes.reserve(kFewNodes);
    oracle_.parts.reserve(kFewNodes);
    for (std::uint32_t i = 0; i < 3; ++i) {
        auto callable = std::make_shared<Callable>();
        callable->registrations = 1;
        callable->spec.digest.at(0) = static_cast<std::byte>(i + 1);
        callables_.push_back(std::move(callable));
    }
    Random random(0);
    const std::uint32_t count = shape.chips + shape.subs + shape.nodes;
    for (std::uint32_t i = 0; i < count; ++i) {
        auto child = std::make_shared<Child>();
        child->index = child->id = i;
        child->kind = i < shape.chips                ? ChildKind::chip
                      : i < shape.chips + shape.subs ? ChildKind::sub
                                                     : ChildKind::node;
        scheduler_.add_child(child);
        actors_.push_back(std::make_unique<Actor>());
        start(i, random, true);
        ready(i, random, true);
    }
    the_world = this;
}

std::uint64_t World::now_ns() const noexcept {
    return simulated_now_ns();
}

void World::wake(Child& each) {
    each.lane->wake();
}

void World::on_callable_idle(const CallablePtr& callable) {
    require(callable->in_flight == 0, "a callable that is not idle was reported as idle");
    used_.erase(callable.get());
}

void World::on_protocol_violation(Child& each, const std::string& what) {
    require(lied_ && actors_[each.index]->lied, "a protocol violation was reported for a correct child");
    if (actors_[each.index]->launched) {
        condemn(each, what);
    }
}

void World::on_run_finished(Run& run) {
    ++finished_;
    oracle_.finish(run);
}

void World::on_deadline_set(std::uint64_t at_ns) {
    armed_ns_ = armed_ns_ == 0 ? at_ns : std::min(armed_ns_, at_ns);
}

World::~World() {
    the_world = nullptr;
}

void World::meanwhile() {
    if (may_race_ && !racing_ && races_.one_in(8)) {
        racing_ = true;
        ++raced_;
        act(races_.below(children()), races_, false);
        racing_ = false;
    }
}

// Checks that the taker of a stream was woken if tasks have ended that no caller awaits.
void World::check_told() const {
    for (const RunFacts& facts : oracle_.runs) {
        const auto& ended = facts.run->outbox;
        require(
            stream_told_ || std::all_of(ended.begin(), ended.end(), [](const TaskPtr& task) { return task->awaited; }),
            "the taker of a stream was not notified of an ended task");
    }
}

void World::check() const {
    std::erase_if(live_, [](const RunPtr& run) { return run->finished() && !run->self; });
    if (auto wrong = scheduler_.contradiction(live_); !wrong.empty()) {
        throw Violation("the books contradict themselves: " + wrong);
    }
}

void World::check_starved() const {
    if (auto wrong = scheduler_.starvation(); !wrong.empty()) {
        throw Violation(wrong);
    }
}

void World::step(const Step& step) {
    Random random(step.choice);
    races_ = Random(step.choice + 1);
    may_race_ = races_.one_in(4);
    simulated_now_ns() += kStepNs;
    const std::size_t index = random.below(children());
    switch (step.op) {
        case Op::submit:
            for (std::size_t count = 1 + random.below(4); count > 0 && !closing_; --count) {
                submit(random);
            }
            break;
        case Op::launch:
            launch(random);
            break;
        case Op::begin_run:
            if (!closing_ && oracle_.runs.size() < 400) {
                begin_run(random, random.one_in(5));
            }
            break;
        case Op::seal:
            seal_any(random);
            break;
        case Op::cancel_run:
            cancel_run(random);
            break;
        case Op::cancel_task:
            cancel_task(random);
            break;
        case Op::end_running:
            end_running(random);
            break;
        case Op::act:
            // The first child that can act, counted from a random one.
            for (std::size_t i = 0; i < children(); ++i) {
                if (act((index + i) % children(), random, false)) {
                    break;
                }
            }
            break;
        case Op::drain:
            drain();
            break;
        case Op::die:
            die(index, random);
            break;
        case Op::notice:
            for (std::size_t i = 0; i < children(); ++i) {
                if (actors_[i]->killed && random.one_in(2)) {
                    actors_[i]->dead = true;
                }
                if (actors_[i]->dead) {
                    notice(i, random.below(64) < shape_.given_up);
                    break;
                }
            }
            break;
        case Op::start:
            for (std::size_t i = 0; i < children(); ++i) {
                if (start((index + i) % children(), random, false)) {
                    break;
                }
            }
            break;
        case Op::ready:
            for (std::size_t i = 0; i < children(); ++i) {
                if (ready((index + i) % children(), random, false)) {
                    break;
                }
            }
            break;
        case Op::stop:
            actors_[index]->stopped = !actors_[index]->stopped;
            tell([&] { return child(index).name() + (actors_[index]->stopped ? " is stopped" : " goes on"); });
            break;
        case Op::lie:
            lie(index, random);
            break;
        case Op::pass_time:
            pass_time(std::uint64_t{1} << random.below(31));
            break;
        case Op::allocate:
            memory_.allocate();
            break;
        case Op::forget:
            memory_.forget(random);
            break;
        case Op::scope:
            memory_.scope(random);
            break;
        case Op::take:
            take(random);
            break;
        case Op::close:
            close();
            break;
        case Op::count_of_ops:
            break;
    }
    stream_told_ = scheduler_.take_stream_moved() || stream_told_;
    if (step.op == Op::drain) {
        check_told();
        if (races_.one_in(2)) {
            listen();
        }
    } else if (step.op != Op::act && step.op != Op::stop) {
        heeded_.clear();  // the driver decides again after every other event
    }
    if (++steps_ % check_every_ == 0) {
        check();
    }
}

std::size_t World::drain() {
    event();
    const std::uint64_t raced = raced_;
    const bool calm = is_calm();
    const std::uint64_t finished = finished_;
    const auto frames_of_all = [this] {
        std::uint64_t frames = 0;
        for (const ChildPtr& each : scheduler_.children()) {
            frames += each->lane ? each->lane->next_sequence() : 0;
        }
        return frames;
    };
    const std::uint64_t frames = calm ? frames_of_all() : 0;
    const std::size_t ended = scheduler_.drain();
    tell([&] { return "the parent takes ended tasks: " + std::to_string(ended); });
    if (raced == raced_) {  // otherwise a child that acted meanwhile may have made room
        check_starved();
        if (calm) {
            require(frames == frames_of_all(), "a driver slept through a completion that releases a task");
            require(finished == finished_, "a driver slept through the end of a run");
            require(!scheduler_.take_stream_moved(), "a driver slept through the end of a stream's task");
        }
    }
    heeded_.clear();
    return ended;
}

// The driver falls asleep.
void World::listen() {
    heeded_.clear();
    heard_ = false;
    for (const ChildPtr& each : scheduler_.children()) {
        const std::size_t count = scheduler_.unheeded(*each);
        heeded_.push_back(count == 0 ? 0 : each->in_flight[count - 1]->sequence + 1);
    }
}

// Whether the driver sleeps, and no child has ended a frame that it heeds, or failed.
bool World::is_calm() {
    if (heeded_.empty() || heard_ || lied_ || scheduler_.any_waits_for_subs()) {
        return false;  // the lanes take more whenever they are fed
    }
    for (std::size_t i = 0; i < children(); ++i) {
        const Child& each = child(i);
        if (!each.lane || !each.backlog.empty()) {
            return false;  // likewise
        }
        if (each.lane->has_completions() && actors_[i]->passed() > heeded_[i]) {
            return false;
        }
    }
    return true;
}

void World::pass_time(std::uint64_t ns) {
    simulated_now_ns() += ns;
    event();
    tell([&] { return std::to_string(ns) + " ns pass"; });
    if (armed_ns_ != 0 && simulated_now_ns() >= armed_ns_) {
        on_deadline();
    }
    check_deadlines();
}

// As the Engine does when its timer goes off.
void World::on_deadline() {
    drain();
    const std::uint64_t now = simulated_now_ns();
    for (std::size_t i = 0; i < children(); ++i) {
        Child& each = child(i);
        if (each.look_at_ns != 0 && now >= each.look_at_ns) {
            expire(i);
        }
    }
    drain();
    if (const std::uint64_t at = scheduler_.balance_at_ns(); at != 0 && now >= at) {
        event();
        tell([&] { return "waiting tasks are shared out"; });
        scheduler_.share_out();
    }
    armed_ns_ = scheduler_.balance_at_ns();
    for (std::size_t i = 0; i < children(); ++i) {
        if (const std::uint64_t at = child(i).look_at_ns; at != 0) {
            armed_ns_ = armed_ns_ == 0 ? at : std::min(armed_ns_, at);
        }
    }
}

void World::settle() {
    for (RunFacts& facts : oracle_.runs) {
        seal(facts);
    }
    the_world = nullptr;
    settle_children();
    stream_told_ = scheduler_.take_stream_moved() || stream_told_;
    check();
    oracle_.account(lied_);
    for (const RunFacts& facts : oracle_.runs) {
        require(!facts.run->stream || facts.run->outbox.empty() || stream_told_,
                "the taker of a stream was not notified of its ended tasks");
        require(facts.run->stream || facts.run->outbox.empty(), "a run has an outbox");
    }
    for (const CallablePtr& callable : callables_) {
        require(callable->in_flight == 0, "a callable counts tasks that have ended");
        require(!used_.contains(callable.get()), "a callable was not reported as idle");
    }
    std::vector<std::weak_ptr<Run>> runs;
    for (const RunFacts& facts : oracle_.runs) {
        runs.emplace_back(facts.run);
    }
    figures_.tasks = oracle_.nodes.size();
    figures_.runs = oracle_.runs.size();
    oracle_.parts.clear();
    oracle_.nodes.clear();
    oracle_.runs.clear();
    uses_.clear();
    live_.clear();
    graphs_.clear();
    memory_.forget_all();
    const auto is_gone = [](const auto& held) { return held.expired(); };
    require(std::all_of(runs.begin(), runs.end(), is_gone),
            "a run is not freed, though all references to it were dropped");
    // Every task owns its callable.
    require(std::all_of(callables_.begin(), callables_.end(),
                        [](const CallablePtr& callable) { return callable.use_count() == 1; }),
            "a task is not freed, though all references to it were dropped");
    require(memory_.is_free(), "memory was not given back");
}

}  // namespace callring::simulate
