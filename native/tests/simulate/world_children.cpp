// World: the actions of children, and the Engine's reactions to their deaths.
#include <algorithm>
#include <cstring>
#include <utility>

#include "common/clock.h"
#include "lane/frame.h"
#include "lane/returned_value.h"
#include "lane/task_failure.h"
#include "schedule/movable.h"
#include "tests/simulate/fingerprint.h"
#include "tests/simulate/violation.h"
#include "tests/simulate/world.h"

namespace callring::simulate {

namespace {

constexpr std::uint64_t kPatienceNs = 10'000'000'000;  // EngineOptions::control_timeout_ns

const ParentBell& the_bell() {
    static const auto bell = std::move(ParentBell::create()).value();
    return *bell;
}

std::string value_of(std::uint64_t number, std::size_t bytes) {
    std::string value(1, returned::kBytes);
    value.resize(1 + bytes, static_cast<char>(number));
    return value;
}

std::string failure_of(bool is_chip) {
    return is_chip ? encode_kernel_failure({1, 0, "kernel", "message"}) : std::string(16, '\0');
}

}  // namespace

bool World::can_act(std::size_t index) {
    const Actor& actor = *actors_[index];
    const Child& each = child(index);
    return actor.launched && !actor.dead && !actor.stopped && !actor.lied && each.state == ChildState::ready &&
           (actor.claimed || actor.awake());
}

// Performs the next action of a child; false if it has none. `to_the_end`: the child completes each task that it
// claims, and without an interruption.
bool World::act(std::size_t index, Random& random, bool to_the_end) {
    Actor& actor = *actors_[index];
    if (!can_act(index)) {
        return false;
    }
    if (actor.killed && random.one_in(2)) {
        actor.dead = true;  // now the signal has reached the child
        tell([&] { return child(index).name() + " ends, killed"; });
        return true;
    }
    if (!actor.claimed && !claim(index)) {
        return false;
    }
    event();
    if (actor.halfway) {
        actor.go_on();
        completed(index);
        return true;
    }
    if (!actor.executes) {
        actor.executes = true;
        ++figures_.executions;
        tell([&] {
            return child(index).name() + " begins " +
                   oracle_.describe(oracle_.nodes[oracle_.parts[*actor.claimed].node]);
        });
        oracle_.begin(*actor.claimed);
        if (!to_the_end) {
            return true;
        }
    }
    complete(index, random);
    if (!to_the_end && shape_.halfway != 0 && random.below(64) < shape_.halfway) {
        actor.hold_back();
        tell([&] { return "the parent cannot see that yet"; });
    } else {
        completed(index);
    }
    return true;
}

// The child claims its next frame, without beginning it.
bool World::claim(std::size_t index) {
    Actor& actor = *actors_[index];
    const Frame* frame = actor.claim();
    if (frame == nullptr) {
        return false;
    }
    actor.claimed = part_of(*frame);
    Part& part = oracle_.parts[*actor.claimed];
    part.begun_ns = simulated_now_ns();
    const Node& node = oracle_.nodes[part.node];
    require(frame->run == oracle_.runs[node.run].run->id, "a frame names another run than its task's");
    require(frame->digest == part.task->callable->spec.digest, "a frame names another callable than its task's");
    require((frame->config.flags & kFrameTimed) == (node.config.deadline_ns != 0 ? kFrameTimed : 0U),
            "the timed flag of a frame contradicts its task's deadline");
    require(part.task->child == static_cast<std::int32_t>(index), "a child was given another child's task");
    check_together(*actor.claimed);
    return true;
}

// The members of a group begin on children that have no earlier work.
void World::check_together(std::size_t number) {
    const Node& node = oracle_.nodes[oracle_.parts[number].node];
    for (const std::size_t i : node.parts) {
        const Part& other = oracle_.parts[i];
        if (node.task->members.empty() || other.deaths > 0 || other.executions > 0 ||
            other.task->state != TaskState::dispatched) {
            continue;
        }
        const Child& each = child(static_cast<std::size_t>(other.task->child));
        require(other.task == each.in_flight.front(), "a group begins on a child that is busy");
    }
}

// Checks that the frame has the arguments of its task.
std::size_t World::part_of(const Frame& frame) const {
    const std::span<const std::byte> blob = arguments_in(frame, *memory_.pool());
    const std::uint64_t number = number_in(blob);
    require(number < oracle_.parts.size(), "a frame has arguments of no task");
    const Part& part = oracle_.parts[number];
    require(fingerprint(blob.first(std::min<std::size_t>(blob.size(), part.argument_bytes))) == part.arguments,
            "a frame has other arguments than its task");
    return number;
}

void World::complete(std::size_t index, Random& random) {
    Actor& actor = *actors_[index];
    Child& each = child(index);
    const std::size_t number = *actor.claimed;
    Part& part = oracle_.parts[number];
    const bool well = random.below(64) >= shape_.failing;
    heard_ = heard_ || !well;
    const bool is_chip = each.kind == ChildKind::chip;
    part.code = well               ? Code::ok
                : random.one_in(6) ? Code::not_installed
                : is_chip          ? Code::kernel_failed
                                   : Code::python_exception;
    part.payload = part.code == Code::not_installed ? "" : well ? "" : failure_of(is_chip);
    const std::uint64_t begin = part.task->times ? part.begun_ns : 0;
    const std::uint64_t end = part.task->times ? simulated_now_ns() : 0;
    tell([&] { return each.name() + (well ? " completes " : " fails ") + oracle_.describe(oracle_.nodes[part.node]); });
    if (well && !is_chip && random.one_in(4)) {
        part.payload = value_of(number, random.one_in(4) ? 300 : 8);
        if (part.payload.size() > ChildLane::max_inline_payload()) {
            if (std::byte* room = random.one_in(2) ? actor.lane().reserve_result(part.payload.size()) : nullptr) {
                std::memcpy(room, part.payload.data(), part.payload.size());
                actor.lane().complete_with_result(Code::ok, begin, end, part.payload.size());
                return;
            }
            const auto extent = actor.lane().extents().write(std::as_bytes(std::span(part.payload)));
            const auto record = std::as_bytes(std::span(&extent.value(), 1));
            if (random.one_in(2)) {
                actor.lane().complete(Code::ok, begin, end, record, kPayloadInExtent);
                return;
            }
            const std::string_view bytes(reinterpret_cast<const char*>(record.data()), record.size());
            part.payload = std::string("ab\1\0\0\0", 6).append(bytes);  // a value whose only part is that extent
        }
    }
    actor.lane().complete(part.code, begin, end, std::as_bytes(std::span(part.payload)));
}

// The parent can see that the child has completed its task.
void World::completed(std::size_t index) {
    Actor& actor = *actors_[index];
    oracle_.parts[*std::exchange(actor.claimed, std::nullopt)].last = Last::completed;
    actor.executes = false;
}

void World::condemn(Child& each, const std::string& why) {
    if (each.condemned.empty()) {
        each.condemned = why;
    }
    actors_[each.index]->killed = true;
    tell([&] { return each.name() + " is killed: " + why; });
}

void World::die(std::size_t index, Random& random) {
    Actor& actor = *actors_[index];
    if (!actor.launched || actor.dead) {
        return;
    }
    if (random.one_in(3) && can_act(index) && !actor.claimed) {
        static_cast<void>(claim(index));  // claimed, but not begun
    }
    actor.dead = true;
    tell([&] {
        return child(index).name() + " dies" +
               (actor.halfway    ? " before the parent could see its completion"
                : actor.executes ? " in its task"
                : actor.claimed  ? " between claim and execution"
                                 : "");
    });
    if (random.one_in(2)) {
        notice(index, random.below(64) < shape_.given_up);
    }
}

// The parent notices a death. `for_good`: the child is given up.
void World::notice(std::size_t index, bool for_good) {
    Actor& actor = *actors_[index];
    event();
    ++figures_.deaths;
    tell([&] {
        return "the parent notices that " + child(index).name() + " has died" + (for_good ? ", and gives it up" : "");
    });
    actor.launched = actor.dead = false;
    actor.killed = false;
    child_died(index, for_good || closing_);
}

// As Recovery::child_died().
void World::child_died(std::size_t index, bool lost) {
    Actor& actor = *actors_[index];
    Child& each = child(index);
    each.condemned.clear();
    each.ended_for_task = false;
    const ChildEnd end{.child = each.name(), .reason = lost ? "was given up" : "died"};
    each.state = lost ? (closing_ ? ChildState::closed : ChildState::lost) : ChildState::starting;
    const auto claimed = std::exchange(actor.claimed, std::nullopt);
    if (actor.lied) {
        taint(index);
    }
    for (const Task* task : each.in_flight) {
        if (task->root_cause) {
            part_with(*task).hopeless = true;
        }
    }
    if (claimed) {
        oracle_.die_with(*claimed);
    }
    if (lost) {
        note_given_up();
    }
    if (each.lane) {
        scheduler_.child_lost(each, end);
        each.lane->close_extents();
    }
    if (claimed && oracle_.parts[*claimed].task->state == TaskState::ended) {
        oracle_.parts[*claimed].ended_with_child = true;
    }
    actor.executes = false;
    if (each.state != ChildState::starting) {
        scheduler_.give_up(each, end);
    }
}

// Launches the replacement of a child; this fails at times, unless `surely`. Returns false if no launch is due.
bool World::start(std::size_t index, Random& random, bool surely) {
    Child& each = child(index);
    Actor& actor = *actors_[index];
    if (each.state != ChildState::starting || actor.launched) {
        return false;
    }
    event();
    if (!surely && random.one_in(8)) {
        tell([&] { return each.name() + " cannot be started"; });
        child_died(index, random.below(64) < shape_.given_up);
        return true;
    }
    each.lane = std::move(ParentLane::create(shape_.lane_capacity, shape_.trace >= 2 ? 4 : 0)).value();
    ++each.incarnation;
    each.completed_before = each.completed;
    actor.attach(each, the_bell());
    tell([&] { return each.name() + " starts"; });
    return true;
}

bool World::ready(std::size_t index, Random& random, bool surely) {
    Child& each = child(index);
    Actor& actor = *actors_[index];
    if (each.state != ChildState::starting || !actor.launched || actor.dead) {
        return false;
    }
    if (!surely && random.one_in(8)) {
        actor.dead = true;
        tell([&] { return each.name() + " dies while it starts"; });
        return true;
    }
    event();
    tell([&] { return each.name() + " is ready"; });
    each.state = ChildState::ready;
    scheduler_.child_ready(each);
    return true;
}

void World::lie(std::size_t index, Random& random) {
    Actor& actor = *actors_[index];
    const Child& each = child(index);
    if (!can_act(index) || each.in_flight.empty()) {
        return;
    }
    event();
    tell([&] { return each.name() + " writes over its lane"; });
    lied_ = true;
    actor.lie(random, each.in_flight.front()->sequence);
    taint(index);
    actor.dead = random.one_in(2);
}

// Marks the frames of an overwritten lane, which may have been damaged.
void World::taint(std::size_t index) {
    for (Part& part : oracle_.parts) {
        if (part.task->state == TaskState::dispatched && part.task->child == static_cast<std::int32_t>(index)) {
            part.tainted = true;
        }
    }
}

void World::expire(std::size_t index) {
    Child& each = child(index);
    const TaskPtr first(each.in_flight.empty() ? nullptr : each.in_flight.front());
    event();
    if (!scheduler_.expire(each, simulated_now_ns(), kPatienceNs)) {
        return;
    }
    require(first && first->ended_as == Code::task_timeout,
            "a child is ended for a deadline that no task has exceeded");
    Part& part = part_with(*first);
    const std::uint64_t deadline = oracle_.nodes[part.node].config.deadline_ns;
    require(deadline != 0, "a task without a deadline exceeded it");
    const auto& claimed = actors_[index]->claimed;
    require(claimed && &oracle_.parts[*claimed] == &part ? part.begun_ns + deadline <= simulated_now_ns()
                                                         : deadline + kPatienceNs <= simulated_now_ns(),
            "a task was ended before its deadline");
    part.ended_as = Code::task_timeout;
    condemn(each, each.condemned);
}

Part& World::part_with(const Task& task) {
    const auto found = std::find_if(oracle_.parts.begin(), oracle_.parts.end(),
                                    [&task](const Part& part) { return part.task.get() == &task; });
    require(found != oracle_.parts.end(), "a task is in flight that was never submitted");
    return *found;
}

// Checks that no running task has exceeded its deadline: the timer has gone off as often as the scheduler requested.
void World::check_deadlines() {
    const std::uint64_t now = simulated_now_ns();
    for (std::size_t i = 0; i < children(); ++i) {
        const Actor& actor = *actors_[i];
        if (!actor.claimed || !actor.executes || actor.lied || !child(i).takes_work()) {
            continue;
        }
        const Part& part = oracle_.parts[*actor.claimed];
        const std::uint64_t deadline = oracle_.nodes[part.node].config.deadline_ns;
        require(deadline == 0 || part.begun_ns + deadline > now, "a task runs on though its deadline has passed");
    }
}

// Lets every child work, replaces dead ones and advances the time, until nothing more happens.
void World::settle_children() {
    Random random(steps_ + 1);
    // In the first round stopped children stay stopped: their tasks wait, or exceed their deadlines.
    for (int round = 0; round < 2; ++round) {
        for (int idle = 0; idle < (scheduler_.balance_at_ns() != 0 ? 20 : 2);) {
            bool moved = drain() > 0;
            for (std::size_t i = 0; i < children(); ++i) {
                if (round > 0) {
                    actors_[i]->stopped = false;
                }
                if (actors_[i]->launched && (actors_[i]->killed || actors_[i]->lied)) {
                    actors_[i]->dead = true;
                }
                if (actors_[i]->dead) {
                    notice(i, false);
                    moved = true;
                }
                moved = start(i, random, true) || moved;
                moved = ready(i, random, true) || moved;
                while (act(i, random, true)) {
                    moved = true;
                }
            }
            if (!moved) {
                pass_time(kPatienceNs);
            }
            // Waiting tasks may just have been shared out, and first to a stopped child.
            idle = moved ? 0 : idle + 1;
        }
        check();
        check_shared_out();
    }
}

// Checks that no sub-worker idles while another has more than it can begin, after enough time for every check.
void World::check_shared_out() const {
    const auto& all = scheduler_.children();
    const auto is_sub = [](const ChildPtr& each) { return each->kind == ChildKind::sub && each->takes_work(); };
    const bool idle = std::any_of(all.begin(), all.end(), [&](const ChildPtr& each) {
        return is_sub(each) && each->in_flight.empty() && !each->lane->full();
    });
    const bool queue =
        std::any_of(all.begin(), all.end(), [&](const ChildPtr& each) { return is_sub(each) && Movable(*each).any(); });
    require(!idle || !queue, "a sub-worker idles while tasks wait in the lane of another");
}

}  // namespace callring::simulate
