"""The trace of a real run: every task on its child's lane, every kernel inside its task, all on one clock."""

import itertools
import json
import os
import time

import pytest

from pipeline.report.critical_path import critical_path
from pipeline.report.statistics import task_statistics
from pipeline.report.trace import chrome_trace
from pipeline.workloads.mlp_digits import MlpDigits
from runtime import Worker, WorkerOptions
from tests.report.trace_format import flow_slices, violations

CHIPS, SUB_WORKERS, ROUNDS = 3, 1, 15


@pytest.fixture(scope="module")
def traced(callables):
    """(the trace of one run of mlp_digits, names by hashid, the interval in which it ran)."""
    options = WorkerOptions(cores_per_chip=2, trace=True)
    with Worker(level=3, chips=CHIPS, sub_workers=SUB_WORKERS, platform="a2a3sim", options=options) as worker:
        handles = {
            "shard": worker.register(callables["mlp_shard"]),
            "join": worker.register(callables["join_partials"]),
            "classify": worker.register("pipeline.workloads.classify:classify"),
        }
        workload = MlpDigits({}, tuple(worker.chip_ids), worker.sub_workers)
        workload.prepare(worker)
        begin = time.monotonic_ns()
        worker.run(lambda o: workload.orchestrate(o, handles))
        end = time.monotonic_ns()
        names = {handle.hashid: name for name, handle in handles.items()}
        yield worker.trace(), names, (begin, end)


def test_every_task_was_submitted_begun_and_ended_in_this_order_within_the_run(traced):
    trace, _, (begin, end) = traced
    assert len(trace.tasks) == (CHIPS + CHIPS - 1 + 1) * ROUNDS
    assert all(begin <= t.submit_ns <= t.begin_ns <= t.end_ns <= end for t in trace.tasks)
    assert {t.state for t in trace.tasks} == {"done"}


def test_every_kernel_ran_inside_its_task(traced):
    trace, _, _ = traced
    tasks = {(t.run, t.task): t for t in trace.tasks}
    assert trace.dropped == 0
    assert trace.cores
    for core in trace.cores:
        task = tasks[core.run, core.task]
        assert (task.kind, task.worker) == ("chip", core.worker)
        assert task.begin_ns <= core.begin_ns <= core.end_ns <= task.end_ns


def test_the_document_has_a_lane_for_each_child_that_worked_and_no_two_tasks_of_a_lane_overlap(traced):
    trace, names, _ = traced
    document = json.loads(chrome_trace(trace, os.getpid(), names, {}))
    threads = {(e["pid"], e["tid"]): e["args"]["name"] for e in document["traceEvents"] if e["name"] == "thread_name"}
    lanes = {}
    for event in document["traceEvents"]:
        if event["ph"] == "X" and threads[event["pid"], event["tid"]] == "lane":
            lanes.setdefault(event["pid"], []).append((event["ts"], event["ts"] + event["dur"]))
    assert lanes.keys() == {child.pid for child in trace.children}
    for spans in lanes.values():
        assert all(end <= begin + 1e-6 for (_, end), (begin, _) in itertools.pairwise(spans))


def test_every_task_was_dispatched_and_complete_around_its_execution(traced):
    trace, _, (begin, end) = traced
    for task in trace.tasks:
        assert begin <= task.submit_ns <= task.dispatch_ns <= task.begin_ns
        assert task.end_ns <= task.complete_ns <= end


def test_the_tasks_that_a_task_waited_for_ended_before_it_began(traced):
    trace, _, _ = traced
    tasks = {(t.run, t.task): t for t in trace.tasks}
    assert any(task.waited_for for task in trace.tasks)
    for task in trace.tasks:
        for earlier in task.waited_for:
            assert tasks[task.run, earlier].end_ns <= task.begin_ns


def test_the_document_keeps_the_rules_of_the_format_and_every_flow_leads_through_its_task(traced):
    trace, names, _ = traced
    document = json.loads(chrome_trace(trace, os.getpid(), names, {}))
    assert violations(document) == []
    ways = [[slice_["cat"] for _, slice_ in bound] for bound in flow_slices(document).values()]
    assert len(ways) == len(trace.tasks)
    assert all(way[:2] + way[3:] == ["submit", "dispatch", "complete"] for way in ways)


def test_the_critical_path_explains_the_whole_run(traced):
    trace, _, _ = traced
    path = critical_path(trace.tasks)
    whole = max(t.complete_ns for t in trace.tasks) - min(t.submit_ns for t in trace.tasks)
    assert sum(segment.end_ns - segment.begin_ns for segment in path) == whole


def test_statistics_count_every_callable(traced):
    trace, names, _ = traced
    by_name = task_statistics(trace, names)["callables"]
    assert {name: tasks["count"] for name, tasks in by_name.items()} == {
        "shard": CHIPS * ROUNDS,
        "join": (CHIPS - 1) * ROUNDS,
        "classify": ROUNDS,
    }
