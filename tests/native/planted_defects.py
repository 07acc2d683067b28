"""Defects that the simulator must find: each is a change of one file of ``native/``.

Each ``old`` text occurs exactly once in its file; a test fails when the code has changed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """One change that makes the core wrong: ``old`` becomes ``new`` in ``file``.

    ``was_there``: the core had this defect once; a program that shows it belongs to the corpus.
    """

    name: str
    file: str
    old: str
    new: str
    was_there: bool = False


SUBMIT, DISPATCH = "schedule/scheduler.cpp", "schedule/scheduler_dispatch.cpp"
SUBS, GROUPS = "schedule/scheduler_subs.cpp", "schedule/scheduler_groups.cpp"
COMPLETE, LAUNCH = "schedule/scheduler_complete.cpp", "schedule/scheduler_launch.cpp"
RUNS, LOSS = "schedule/scheduler_runs.cpp", "schedule/scheduler_loss.cpp"
GRAPH = "task/captured_graph.cpp"
PARENT_LANE, CHILD_LANE = "lane/parent_lane.cpp", "lane/child_lane.cpp"
RING = "schedule/scheduler_ring.cpp"
RECEIVE, REGION = "schedule/receive.cpp", "graph/region.cpp"

DEFECTS = [
    # Accepting.
    Defect("a failed predecessor does not poison a new task", SUBMIT, "earlier.code != Code::ok &&", "false &&"),
    Defect(
        "some dependencies by tensors are forgotten",
        SUBMIT,
        "if (Task* earlier = run.tasks.find(id)) {",
        "if (Task* earlier = run.tasks.find(id); earlier != nullptr && id % 5 != 3) {",
    ),
    Defect("a group larger than its pool by one is accepted", SUBMIT, "left < needed) {", "left + 1 < needed) {"),
    Defect(
        "a task is dispatched into a cancelled run",
        SUBMIT,
        "    if (run->cancelled) {\n        end(",
        "    if (false) {\n        end(",
    ),
    Defect("a run does not wait for those that it follows", SUBMIT, "if (run->waits_for > 0) {", "if (false) {"),
    Defect("a retired tensor is accepted", SUBMIT, "if (argument.tensor.buffer->retired()) {", "if (false) {"),
    # Sleeping through completions.
    Defect(
        "a driver sleeps through the end of a task for which another one waits",
        RING,
        "return later.state == TaskState::blocked;",
        "return later.state == TaskState::ended;",
    ),
    Defect(
        "a driver sleeps through the last task of a run",
        RING,
        "next == nullptr || next->run != &run",
        "next == nullptr",
    ),
    Defect(
        "a driver sleeps through the last frame of a lane",
        RING,
        "next == nullptr || next->run != &run",
        "(next != nullptr && next->run != &run)",
    ),
    Defect("a driver sleeps through the tasks of streams", RING, "if (run.stream || ", "if ("),
    # Dispatching.
    Defect(
        "a child is not woken for its next frame",
        DISPATCH,
        "push(child, task, {});\n            wake(child);",
        "push(child, task, {});",
    ),
    Defect(
        "no child is woken at the end of a burst",
        DISPATCH,
        "child->to_be_woken = false;\n        outside_.wake(*child);",
        "child->to_be_woken = false;",
    ),
    Defect(
        "a follower is put into a lane without what it follows",
        DISPATCH,
        "push(child, task, unmet);",
        "push(child, task, {});",
    ),
    Defect(
        "a queued follower of a failed task is put into the lane",
        DISPATCH,
        "    if (task.root_cause) {\n        end(",
        "    if (false) {\n        end(",
    ),
    Defect("a task follows one that is on another child", DISPATCH, "(!in_lane && !in_queue) ||", ""),
    Defect(
        "a follower names the frame before the one that it follows",
        DISPATCH,
        "return sequence - predecessors[i]->sequence;",
        "return sequence - predecessors[i]->sequence + 1;",
    ),
    Defect(
        "a member of a group begins before the others",
        DISPATCH,
        "if (task.group != nullptr && task.group->state == TaskState::ready) {",
        "if (false) {",
    ),
    Defect("the timer is not set for a deadline", DISPATCH, "outside_.on_deadline_set(earliest);", ""),
    Defect("a timed frame does not say so", DISPATCH, "(config.deadline_ns != 0 ? kFrameTimed : 0U)", "0U"),
    # Completions.
    Defect(
        "a failed task does not poison what waits for it",
        COMPLETE,
        "const bool is_poisoned = ended.code != Code::ok && !next.root_cause;",
        "const bool is_poisoned = false;",
    ),
    Defect(
        "a task keeps its arguments when it has ended",
        COMPLETE,
        "    task.args.reset();\n    task.spill.reset();\n    task.predecessors",
        "    task.predecessors",
    ),
    Defect(
        "a callable counts a skipped task for ever",
        COMPLETE,
        "if (--task.callable->in_flight == 0) {",
        "if (code != Code::skipped && --task.callable->in_flight == 0) {",
    ),
    Defect(
        "a run whose last task failed never finishes",
        COMPLETE,
        "    if (run.finished()) {\n        finish",
        "    if (run.finished() && code == Code::ok) {\n        finish",
    ),
    Defect("a stream does not learn what has ended", COMPLETE, "!task.awaited ||", "task.awaited ||"),
    Defect("a queue is not fed when its lane has room", COMPLETE, "        feed(*child);\n", ""),
    Defect(
        "a blocked task that is skipped stays counted",
        COMPLETE,
        "    if (task.state == TaskState::blocked && task.unmet > 0) {\n        --blocked_;\n    }\n",
        "",
    ),
    Defect(
        "a run keeps the tasks that succeeded",
        COMPLETE,
        "run.stream || (code == Code::ok && !run.graph) ? run.tasks.remove(task.id) : nullptr;",
        "run.stream ? run.tasks.remove(task.id) : nullptr;",
    ),
    Defect(
        "a failure is reported twice",
        COMPLETE,
        "run.failures.emplace_back(&task);",
        "run.failures.emplace_back(&task), run.failures.emplace_back(&task);",
    ),
    Defect("a large result is lost", RECEIVE, "copy(received, (*extent)->bytes());", ""),
    # Groups.
    Defect("what waits behind a group is left there", GROUPS, "        feed(child_of(*member));\n", "", True),
    Defect(
        "a group ends one member early",
        GROUPS,
        "if (--group.open_members == 0) {",
        "if (--group.open_members <= 1) {",
    ),
    Defect(
        "a group begins while one of its children is busy",
        GROUPS,
        "return child.takes_work() && child.in_flight.empty() &&",
        "return child.takes_work() &&",
    ),
    Defect(
        "the failure of a group's last member is forgotten",
        GROUPS,
        "    if (code != Code::ok) {\n",
        "    if (code != Code::ok && group.open_members > 1) {\n",
    ),
    Defect(
        "a withdrawn group leaves a member in a queue",
        GROUPS,
        "queued_ -= std::erase(child_of(*member).backlog, member.get());",
        "if (member != group.members.back()) { queued_ -= std::erase(child_of(*member).backlog, member.get()); }",
    ),
    Defect(
        "two members of a group of sub-workers may be one",
        GROUPS,
        "places.push_back(static_cast<std::int32_t>(child->index));",
        "places.insert(places.end(), 2, static_cast<std::int32_t>(child->index));",
    ),
    # Deaths, deadlines, cancelling.
    Defect(
        "what follows a lost task is ended twice",
        LOSS,
        "    settle();\n}\n\nvoid Scheduler::child_ready",
        "    for (Task* task : tasks) {\n        if (task->root_cause) {\n"
        "            end(*task, Code::skipped, {});\n        }\n    }\n}\n\nvoid Scheduler::child_ready",
        True,
    ),
    Defect("what follows a failed task is lost with a damaged lane", LOSS, "!task->root_cause && (", "(", True),
    Defect("a retry is not used up", LOSS, "--task.config.retries;", ""),
    Defect("a retry is lost", LOSS, "if (task.config.retries == 0 ||", "if (task.config.retries <= 1 ||"),
    Defect("a task of a cancelled run begins again", LOSS, "|| run_of(task).cancelled) {", ") {"),
    Defect("a completion that was not seen dies with its child", LOSS, "    drain_child(child);\n", ""),
    Defect("a claimed task is taken for one that had not begun", LOSS, "(child.lane->claimed(task->sequence) ||", "("),
    Defect(
        "a task that goes back is not counted as queued",
        LOSS,
        "            ++queued_;\n            (task->placement",
        "            (task->placement",
    ),
    Defect(
        "a group waits for sub-workers that were given up",
        LOSS,
        "left < std::max<std::size_t>(1, task->members.size())",
        "left < 1",
    ),
    Defect(
        "a task that has just ended is ended for its deadline",
        LOSS,
        "const bool runs = !child.lane->has_completions();",
        "const bool runs = true;",
    ),
    Defect(
        "what was taken back from a lane is lost",
        LOSS,
        "    requeue(child, back);\n    return runs;",
        "    return runs;",
    ),
    Defect(
        "a task that runs is withdrawn",
        LOSS,
        "            if (!child.lane->revoke(task.sequence)) {\n                return false;",
        "            if (!child.lane->revoke(task.sequence) && task.id % 4 != 1) {\n                return false;",
    ),
    Defect(
        "a withdrawn task stays counted as queued",
        LOSS,
        "            --queued_;\n            break;",
        "            break;",
    ),
    Defect(
        "a member that waits to begin again stays when its run is cancelled",
        LOSS,
        "            withdraw_waiting_members(*task);",
        "",
    ),
    Defect(
        "a run is cancelled from its beginning",
        LOSS,
        "return a->id > b->id;",
        "return a->id < b->id;",
    ),
    Defect(
        "a deadline counts from when the lane was filled",
        LOSS,
        "child, *task, now_ns, patience_ns) : now_ns;",
        "child, *task, now_ns, patience_ns) : child.busy_since_ns;",
    ),
    Defect("an overdue task is looked at once only", LOSS, "child.look_at_ns = expiry;", ""),
    # Runs.
    Defect(
        "a run that follows a failed one is not skipped",
        RUNS,
        "if (follower.poisoned && !follower.run->poison) {",
        "if (false) {",
    ),
    Defect(
        "a run waits for all but one that it follows",
        RUNS,
        "if (--follower.run->waits_for == 0) {",
        "if (--follower.run->waits_for <= 1) {",
    ),
    Defect(
        "a cancelled run does not stop those that follow it",
        RUNS,
        "return run.poison ? run.poison : run.withdrawn;",
        "return run.poison;",
    ),
    Defect(
        "a run without tasks never finishes behind another", RUNS, "if (!has_tasks && run.finished()) {", "if (false) {"
    ),
    # Captured graphs.
    Defect(
        "a refused launch keeps its tasks",
        LAUNCH,
        "if (auto checked = check_launched(tasks.all()); !checked) {\n",
        "if (auto checked = check_launched(tasks.all()); !checked) {\n"
        "        run->tasks = TaskTable(std::move(tasks));\n",
        True,
    ),
    Defect("a launch counts each callable once", LAUNCH, "callable->in_flight += uses;", "callable->in_flight += 1;"),
    Defect(
        "a launch does not wait for the runs that it follows",
        LAUNCH,
        "if (run->poison || run->waits_for > 0) {",
        "if (run->poison) {",
    ),
    Defect(
        "a captured graph forgets what it was told to follow",
        GRAPH,
        "if (std::exchange(met_[other], id + 1) != id + 1) {",
        "if (false) {",
    ),
    Defect(
        "a part of a replaced tensor becomes its beginning",
        GRAPH,
        "replacement.offset + (view.offset - recorded.offset);",
        "replacement.offset;",
    ),
    # Sub-workers.
    Defect(
        "a task is left beside room in a lane",
        SUBS,
        "feed_subs();  // another sub-worker may have room for them",
        "",
        True,
    ),
    Defect(
        "nothing is shared out while a group waits",
        SUBS,
        "if (!sub_queue_.empty() && !group_waits_for_subs()) {",
        "if (!sub_queue_.empty()) {",
        True,
    ),
    Defect(
        "a frame is put into two lanes",
        SUBS,
        "if (!from.lane->revoke((*place)->sequence)) {",
        "if (!from.lane->revoke((*place)->sequence) && (*place)->id % 4 != 1) {",
    ),
    Defect(
        "an idle sub-worker is not woken for what it was given",
        SUBS,
        "    if (!moved.empty()) {\n        wake(to);\n    }\n",
        "",
    ),
    Defect(
        "an idle sub-worker never looks again",
        SUBS,
        "        outside_.on_deadline_set(balance_at_ns_);\n    }\n}\n\n}",
        "    }\n}\n\n}",
    ),
    # Lanes and ranges.
    Defect(
        "a task does not name its predecessors in a lane if they are many",
        DISPATCH,
        "frame.config.flags |= task.in_lane.many ? kFrameManyPredecessors : 0U;",
        "if (task.in_lane.many) {\n            frame.config.predecessors.fill(0);\n        }",
    ),
    Defect(
        "a set of predecessors is read as distances",
        DISPATCH,
        "frame.config.flags |= task.in_lane.many ? kFrameManyPredecessors : 0U;",
        "",
    ),
    Defect("a revoked frame keeps its slot", PARENT_LANE, "outstanding_ -= revoked ? 1 : 0;", ""),
    Defect(
        "a slot is used again before its end was seen", PARENT_LANE, "frames_.position() - settled_ >= capacity ||", ""
    ),
    Defect(
        "a child does not remember which frames failed",
        CHILD_LANE,
        "failed_.set(sequence % kWindow, code != Code::ok);",
        "",
    ),
    Defect("a view from back to front is taken for one behind it", REGION, "region.begin -= stride * (count - 1);", ""),
    Defect(
        "what is known of a buffer moves when it is used with another stride",
        "graph/grid.cpp",
        "region.begin += digit.begin * pitches_[level];",
        "region.begin += (digit.begin + 1) * pitches_[level];",
    ),
]
