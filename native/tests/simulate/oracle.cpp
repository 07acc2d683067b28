#include "tests/simulate/oracle.h"

#include <algorithm>
#include <set>

#include "tests/simulate/violation.h"

namespace callring::simulate {

namespace {

[[noreturn]] void fail(const std::string& who, const char* what) {
    throw Violation(who + " " + what);
}

bool by_itself(Code code) {  // the outcomes that a child reports
    return code == Code::ok || code == Code::kernel_failed || code == Code::python_exception ||
           code == Code::not_installed;
}

}  // namespace

std::string Oracle::describe(const Node& node) const {
    return "task " + std::to_string(node.task->id) + " of run " + std::to_string(runs[node.run].run->id);
}

void Oracle::begin(std::size_t index) {
    Part& part = parts[index];
    const Node& node = nodes[part.node];
    const auto require_of = [&](bool holds, const char* what) {
        if (!holds) {
            fail(describe(node), what);
        }
    };
    ++part.executions;
    require_of(part.task->state == TaskState::dispatched, "is executed, though it is in no lane");
    require_of(part.executions <= 1 + node.config.retries + (part.tainted ? 1U : 0U),
               "is executed more often than it may be");
    require_of(part.last != Last::begun, "is executed twice at once");
    require_of(part.last != Last::completed || part.tainted, "is executed after it was completed");
    for (const std::size_t earlier : node.after) {
        for (const std::size_t i : nodes[earlier].parts) {
            require_of(parts[i].last == Last::completed && parts[i].code == Code::ok,
                       "is executed before a task that it depends on was done");
        }
    }
    for (const Followed& followed : runs[node.run].follows) {
        require_of(runs[followed.run].run->finished(), "is executed before a run that its run follows has ended");
        require_of(!followed.poisoned || !runs[followed.run].run->withdrawn, "is executed behind a cancelled run");
    }
    const bool cancelled = runs[node.run].cancelled && !runs[node.run].cancelling;
    require_of(part.deaths == 0 || !cancelled, "begins again, though its run was cancelled");
    for (const std::size_t i : node.parts) {
        require_of(parts[i].task->child >= 0, "begins before another member of its group is in a lane");
    }
    part.last = Last::begun;
}

void Oracle::die_with(std::size_t index) {
    Part& part = parts[index];
    ++part.deaths;
    part.last = Last::died;
}

void Oracle::finish(const Run& run) {
    for (RunFacts& facts : runs) {
        if (facts.run.get() == &run) {
            ++facts.finished;
            require(run.finished(), "a run was reported as finished before it was");
            require(std::all_of(facts.follows.begin(), facts.follows.end(),
                                [this](const Followed& followed) { return runs[followed.run].run->finished(); }),
                    "a run was reported as finished before one that it follows");
            return;
        }
    }
    throw Violation("a run was reported as finished that does not exist");
}

void Oracle::account_part(const Node& node, const Part& part) const {
    const Task& task = *part.task;
    const auto require_of = [&](bool holds, const char* what) {
        if (!holds) {
            fail(describe(node), what);
        }
    };
    require_of(task.state == TaskState::ended, "never ended");
    require_of(!task.args && !task.spill, "has ended and keeps its arguments");
    require_of(part.last != Last::begun, "ended while it is executed");
    if (part.last == Last::completed && !part.tainted) {
        require_of(task.code == part.code, "was completed, and ended as something else");
        require_of(task.payload == part.payload, "ended with another result than its child gave");
        return;
    }
    const bool cancelled = node.cancelled || runs[node.run].cancelled;
    switch (task.code) {
        case Code::ok:
        case Code::kernel_failed:
        case Code::python_exception:
        case Code::not_installed:
            require_of(part.last == Last::completed, "ended as if it had been completed");
            break;
        case Code::skipped:
            require_of(part.executions == 0 || part.tainted, "was executed, and ended as skipped");
            break;
        case Code::cancelled:
            require_of(cancelled || part.ended_as == Code::cancelled, "ended as cancelled, which was not requested");
            break;
        case Code::task_timeout:
            require_of(part.ended_as == Code::task_timeout, "ended for a deadline that had not passed");
            break;
        case Code::worker_lost:
            require_of(part.deaths > 0 || part.tainted, "ended as lost, though no child died with it");
            require_of(!part.hopeless, "ended as lost, not as skipped");
            require_of(part.tainted || !task.child_end || !task.child_end->wrote_over_lane,
                       "ended as if its child had written over its lane");
            require_of(part.deaths > node.config.retries || runs[node.run].cancelled ||
                           part.ended_as == Code::worker_lost || part.tainted,
                       "ended as lost, though it had retries left");
            break;
        case Code::given_up:
            require_of(node.could_be_given_up, "was given up, though there are children for it");
            break;
        default:
            fail(describe(node), "ended with an outcome that nothing in its program causes");
    }
}

// Whether `cause` is a task that `node` depends on, directly or not.
bool Oracle::is_behind(std::size_t index, const Task* cause) const {
    std::vector<bool> seen(nodes.size());
    std::vector<std::size_t> open{index};
    while (!open.empty()) {
        const std::size_t at = open.back();
        open.pop_back();
        for (const std::size_t earlier : nodes[at].after) {
            const auto is_cause = [&](std::size_t part) { return parts[part].task.get() == cause; };
            if (nodes[earlier].task.get() == cause ||
                std::any_of(nodes[earlier].parts.begin(), nodes[earlier].parts.end(), is_cause)) {
                return true;
            }
            if (!seen[earlier]) {
                seen[earlier] = true;
                open.push_back(earlier);
            }
        }
    }
    return false;
}

void Oracle::account_skipped(const Node& node) const {
    const Task* cause = node.task->root_cause.get();
    const Run& run = *runs[node.run].run;
    if (cause == nullptr || cause->code == Code::ok || cause->code == Code::skipped) {
        fail(describe(node), "was skipped without a cause");
    }
    const auto index = static_cast<std::size_t>(&node - nodes.data());
    if (cause != run.poison.get() && !is_behind(index, cause)) {
        fail(describe(node), "was skipped for a task that it does not depend on");
    }
}

void Oracle::account_node(const Node& node) const {
    const Task& task = *node.task;
    if (task.state != TaskState::ended) {
        fail(describe(node), "never ended");
    }
    const bool holds = task.run != nullptr || !task.successors.empty() || !task.predecessors.empty();
    if ((holds || task.unmet != 0) && (task.unmet == 0 || task.code == Code::ok)) {
        fail(describe(node), "has ended and still refers to other tasks");
    }
    bool tainted = false;
    for (const std::size_t i : node.parts) {
        account_part(node, parts[i]);
        tainted = tainted || parts[i].tainted;
    }
    if (task.code == Code::skipped) {
        account_skipped(node);
    }
    bool behind_failure = runs[node.run].run->poison != nullptr;
    for (const std::size_t earlier : node.after) {
        behind_failure = behind_failure || nodes[earlier].task->code != Code::ok;
    }
    if (behind_failure && !tainted && (by_itself(task.code) || task.code == Code::worker_lost)) {
        fail(describe(node), "was executed behind a task that failed");
    }
    if (node.parts.size() > 1 || &*node.task != &*parts[node.parts.front()].task) {
        // A group ends well if all of its members do, else as one of its failed members.
        bool well = true;
        bool as_one = false;
        for (const std::size_t i : node.parts) {
            well = well && parts[i].task->code == Code::ok;
            as_one = as_one || parts[i].task->code == task.code;
        }
        if (well != (task.code == Code::ok) || !as_one) {
            fail(describe(node), "is a group that did not end as its members did");
        }
        if (task.open_members != 0 && by_itself(task.code)) {
            fail(describe(node), "is a group that ended before its members");
        }
    }
}

void Oracle::account_run(const RunFacts& facts) const {
    const Run& run = *facts.run;
    const std::string who = "run " + std::to_string(run.id);
    const auto require_of = [&](bool holds, const char* what) {
        if (!holds) {
            fail(who, what);
        }
    };
    require_of(run.finished(), "never finished");
    require_of(facts.finished == 1, "was not reported as finished exactly once");
    require_of(!run.self, "keeps itself alive");
    require_of(run.accepted == facts.nodes.size() && run.ended == run.accepted, "miscounted its tasks");
    require_of(run.held.empty() && run.followers.empty(), "still refers to tasks or runs, though it has finished");
    const auto unsuccessful = std::count_if(facts.nodes.begin(), facts.nodes.end(),
                                            [this](std::size_t n) { return nodes[n].task->code != Code::ok; });
    const auto owned = run.graph ? run.accepted : static_cast<std::uint64_t>(run.stream ? 0 : unsuccessful);
    require_of(run.tasks.size() == owned, "does not own its failed tasks, and no others, or those of its launch");
    if (run.stream) {
        return;
    }
    std::multiset<const Task*> failures;
    std::multiset<const Task*> skipped;
    bool withdrawn = false;
    for (const std::size_t n : facts.nodes) {
        const Node& node = nodes[n];
        const bool group = &*node.task != &*parts[node.parts.front()].task;
        if (node.task->code == Code::skipped) {
            skipped.insert(node.task.get());
        } else if (node.task->code == Code::cancelled) {
            withdrawn = true;
        }
        const bool members_tell = group && std::any_of(node.parts.begin(), node.parts.end(),
                                                       [this](std::size_t i) { return parts[i].task->child >= 0; });
        const auto is_failure = [](Code code) {
            return code != Code::ok && code != Code::skipped && code != Code::cancelled;
        };
        if (!members_tell) {
            if (is_failure(node.task->code)) {
                failures.insert(node.task.get());
            }
            continue;
        }
        for (const std::size_t i : node.parts) {
            const Code code = parts[i].task->code;
            if (code != Code::ok && code != Code::cancelled && node.task->failed_member) {
                failures.insert(parts[i].task.get());
            }
        }
        if (!node.task->failed_member && is_failure(node.task->code)) {
            failures.insert(node.task.get());
        }
    }
    std::multiset<const Task*> told;
    for (const TaskPtr& task : run.failures) {
        told.insert(task.get());
    }
    require_of(told == failures, "does not list each failure exactly once");
    std::multiset<const Task*> told_skipped;
    for (const TaskPtr& task : run.skipped) {
        told_skipped.insert(task.get());
    }
    require_of(told_skipped == skipped, "does not list each skipped task exactly once");
    require_of(withdrawn == (run.withdrawn != nullptr), "does not record whether a task was cancelled");
    bool poisoned = false;
    for (const Followed& followed : facts.follows) {
        const Run& earlier = *runs[followed.run].run;
        const bool failed = !earlier.failures.empty() || earlier.withdrawn || earlier.poison;
        poisoned = poisoned || (followed.poisoned && failed);
    }
    require_of(poisoned == (run.poison != nullptr), "is not skipped exactly if a run that it follows failed");
}

void Oracle::account_counts(bool lied) const {
    TaskCounts expected;
    for (const Node& node : nodes) {
        ++expected.accepted;
        switch (node.task->code) {
            case Code::ok:
                ++expected.done;
                break;
            case Code::skipped:
                ++expected.skipped;
                break;
            case Code::cancelled:
                ++expected.cancelled;
                break;
            case Code::task_timeout:
                ++expected.timed_out;
                break;
            case Code::worker_lost:
            case Code::given_up:
                ++expected.lost;
                break;
            default:
                ++expected.failed;
        }
    }
    for (const Part& part : parts) {
        expected.begun_again += part.deaths - (part.deaths > 0 && part.ended_with_child ? 1 : 0);
    }
    const TaskCounts& counts = scheduler_.counts();
    require(counts.accepted == expected.accepted && counts.done == expected.done && counts.failed == expected.failed &&
                counts.lost == expected.lost && counts.timed_out == expected.timed_out &&
                counts.skipped == expected.skipped && counts.cancelled == expected.cancelled,
            "tasks were miscounted");
    require(lied || counts.begun_again == expected.begun_again, "retries were miscounted");
    require(scheduler_.pending() == 0, "tasks are pending, though all have ended");
    require(!scheduler_.needs_progress(), "tasks wait, though all have ended");
}

void Oracle::account(bool lied) const {
    for (const Node& node : nodes) {
        account_node(node);
    }
    for (const RunFacts& facts : runs) {
        account_run(facts);
    }
    account_counts(lied);
}

}  // namespace callring::simulate
