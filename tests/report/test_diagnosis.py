"""The diagnosis names what limits a run; a replay computes which changes would speed it up."""

import dataclasses

import pytest
from hypothesis import given

from pipeline.report.diagnosis import diagnosis
from pipeline.report.timeline import timeline
from pipeline.report.what_if import replay, what_ifs
from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import TaskSpan, Trace
from tests.report.test_result_document import ADD, READ, RECORD
from tests.report.traces import traces

CHILDREN = [ChildInfo("chip", n, 20 + n, 1, "ready", 1, "", {}) for n in range(3)]

BEGUN = 5_000
"""The begin of the trace, which is never 0 in real traces."""


def said(tasks, children=CHILDREN[:1], **changed):
    record = dataclasses.replace(RECORD, trace=Trace(tasks, children=children), run_seconds=[1.0, 1.0], **changed)
    return diagnosis(record, timeline(record.trace, record.names, {}))


def task(number, begin, end, *, submit=0, worker=0, hashid=ADD, waited=(), run=1):
    submit, begin, end = submit + BEGUN, begin + BEGUN, end + BEGUN
    return TaskSpan(run, number, hashid, "chip", worker, submit, submit, begin, end, end, list(waited), "done")


def test_a_run_that_waits_for_submission_gets_the_advice_to_capture():
    tasks = [task(i, 1000 * i + 10, 1000 * i + 200, submit=1000 * i) for i in range(10)]
    (first, *_) = said(tasks)["sentences"]
    assert first == (
        "98 % of the run waited for submission: the orchestration function is the limit: try +workload.capture=true."
    )
    (first, *_) = said(tasks, configuration={"workload": {"capture": True}})["sentences"]
    assert first.endswith("is the limit, though the graph is captured.")


def test_the_diagnosis_of_short_tasks_says_that_they_are_short():
    tasks = [task(i, 100 * i + 90, 100 * i + 100, waited=[i - 1] if i else []) for i in range(10)]
    (first, *_) = said(tasks)["sentences"]
    assert first.startswith(
        "90 % of the run is hand-over, from a task's release to its begin: the median task takes 10.0 ns"
    )


def test_the_diagnosis_of_a_run_that_executes_names_the_callable_and_its_gain():
    tasks = [task(0, 0, 800), task(1, 800, 1000, hashid=READ, waited=[0])]
    found = said(tasks)
    assert found["sentences"] == [
        "100 % of the run is execution on the critical path, 80 % of it of add.",
        "With add twice as fast, the run would be 1.67 times as fast.",
    ]
    assert [(one["callable"], round(one["gain"], 3)) for one in found["what_if"]] == [("add", 1.667), ("read", 1.111)]


def test_a_chip_that_works_longer_than_the_others_is_named_and_so_are_idle_ones():
    tasks = [task(0, 0, 1400), task(1, 0, 1000, worker=1), task(2, 0, 1000, worker=2)]
    assert said(tasks, CHILDREN)["sentences"][-1] == "Chip 0 worked 40 % longer than the others."
    assert said(tasks[:2], CHILDREN)["sentences"][-1] == "1 of 3 chips had nothing to do."


def test_a_run_that_failed_has_no_diagnosis():
    assert said([task(0, 0, 10)], error="no") is None
    assert said([]) is None


def test_the_gain_of_a_callable_ends_when_another_path_is_as_long():
    # Two chips: the tasks of one are no longer on the path when they are twice as fast.
    tasks = [task(0, 0, 1000), task(1, 0, 800, worker=1, hashid=READ)]
    run, (answer,) = what_ifs(tasks)
    assert (run, answer.hashid, answer.gain) == (1, ADD, 1.25)


def test_the_run_of_median_length_is_replayed_without_warm_up_runs():
    tasks = [task(0, 0, length, run=run) for run, length in enumerate((9000, 300, 100, 200), start=1)]
    assert what_ifs(tasks, 1)[0] == 4


def test_a_run_with_a_task_that_failed_is_not_replayed():
    assert what_ifs([task(0, 0, 10)._replace(state="failed")]) == (0, [])


@given(traces())
def test_a_replay_with_the_recorded_durations_takes_the_recorded_time(trace):
    for run in {t.run for t in trace.tasks}:
        tasks = [t for t in trace.tasks if t.run == run and t.begin_ns]
        if tasks:
            took = max(t.complete_ns for t in tasks) - min(t.submit_ns for t in tasks)
            assert replay(tasks, {}) == took
            for hashid in {t.hashid for t in tasks}:
                assert replay(tasks, {hashid: 0.5}) <= took
                assert replay(tasks, {hashid: 1.0}) == pytest.approx(took)
