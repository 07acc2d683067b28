"""The critical path explains the whole time, each piece by the spans."""

import itertools

import pytest
from hypothesis import given

from pipeline.report.critical_path import BETWEEN_RUNS, EXECUTION, critical_path
from runtime.observe.trace import TaskSpan
from tests.report.traces import traces

A = "sha256:" + "a" * 64


def span(task, worker, times, waited_for=(), run=1):
    return TaskSpan(run, task, A, "chip", worker, *times, list(waited_for), "done")


def words(path):
    return [(segment.kind, segment.end_ns - segment.begin_ns, segment.cause) for segment in path]


def test_the_path_of_a_chain_is_its_executions_and_the_time_between():
    first = span(0, 0, (100, 101, 110, 150, 155))
    second = span(1, 1, (102, 156, 160, 200, 206), waited_for=[0])
    assert words(critical_path([first, second])) == [
        ("hand-over", 10, ""),
        ("execution", 40, "submit"),
        ("hand-over", 10, ""),
        ("execution", 40, "dependency"),
        ("completion", 6, ""),
    ]


def test_the_longest_of_independent_tasks_is_the_path():
    tasks = [span(0, 0, (100, 100, 110, 120, 121)), span(1, 1, (105, 105, 110, 170, 171))]
    path = critical_path(tasks)
    assert [(s.kind, s.span) for s in path if s.kind == EXECUTION] == [(EXECUTION, 1)]
    assert words(path)[0] == ("submission", 5, "")


def test_a_task_that_waited_in_its_lane_was_held_up_by_the_worker():
    tasks = [span(0, 0, (100, 100, 110, 150, 151)), span(1, 0, (101, 101, 152, 160, 161))]
    assert [s.cause for s in critical_path(tasks) if s.kind == EXECUTION] == ["submit", "worker"]


def test_a_task_that_an_idle_worker_waited_for_was_held_up_by_its_submit():
    tasks = [span(0, 0, (100, 100, 110, 150, 151)), span(1, 0, (155, 156, 160, 170, 171))]
    path = critical_path(tasks)
    assert words(path) == [
        ("submission", 55, ""),
        ("hand-over", 5, ""),
        ("execution", 10, "submit"),
        ("completion", 1, ""),
    ]


def test_the_time_between_runs_belongs_to_no_task():
    path = critical_path([span(0, 0, (0, 1, 2, 5, 6)), span(0, 0, (16, 17, 18, 20, 21), run=2)])
    assert [(s.begin_ns, s.end_ns) for s in path if s.kind == BETWEEN_RUNS] == [(6, 16)]


def test_without_a_task_that_began_there_is_no_path():
    assert critical_path([]) == []
    assert critical_path([TaskSpan(1, 0, A, "chip", -1, 5, 0, 0, 0, 6, [], "cancelled")]) == []


@given(traces())
def test_the_segments_add_up_to_the_whole_without_a_gap(trace):
    path = critical_path(trace.tasks)
    began = [task for task in trace.tasks if task.begin_ns]
    if not began:
        assert path == []
        return
    assert path[0].begin_ns == min(task.submit_ns for task in trace.tasks)
    assert path[-1].end_ns == max(task.complete_ns for task in began)
    assert all(a.end_ns == b.begin_ns for a, b in itertools.pairwise(path))
    assert all(segment.begin_ns <= segment.end_ns for segment in path)


@given(traces())
def test_every_execution_of_the_path_is_a_whole_task_and_no_task_is_on_it_twice(trace):
    executed = [s for s in critical_path(trace.tasks) if s.kind == EXECUTION]
    assert all((trace.tasks[s.span].begin_ns, trace.tasks[s.span].end_ns) == (s.begin_ns, s.end_ns) for s in executed)
    assert len({s.span for s in executed}) == len(executed)


@pytest.mark.parametrize("cause", ["dependency", "worker"])
def test_a_cause_names_an_event_of_that_time(cause):
    waited = [0] if cause == "dependency" else []
    tasks = [span(0, 0, (0, 1, 2, 50, 51)), span(1, 0, (3, 4, 50, 60, 61), waited_for=waited)]
    (last,) = [s for s in critical_path(tasks) if s.kind == EXECUTION and s.span == 1]
    assert last.cause == cause
