"""The report of a failed run: the tasks, their workers and reasons, their sources, and what to try next."""

import dataclasses

import pytest
from hypothesis import given

from pipeline.config.specs import PythonSpec
from pipeline.report.failure import FAILED, exit_word, failed_tasks, failure_document, failure_words
from pipeline.report.record import SourceRecord
from pipeline.report.sources import python_source
from pipeline.report.timeline import timeline
from pipeline.report.units import joined
from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import TaskSpan, Trace
from tests.report.test_result_document import ADD, READ, RECORD
from tests.report.traces import traces

SIGNAL = "killed by signal 11 (SIGSEGV), pid 77"
CHILDREN = [
    ChildInfo("chip", n, 20 + n, 1 + n, "ready", 1, SIGNAL if n else "", {}, 11 if n else None) for n in range(3)
]
LOST = Trace(
    [
        TaskSpan(1, 0, ADD, "chip", 0, 1_000, 1_100, 2_000, 502_000, 503_000, [], "done"),
        TaskSpan(1, 1, ADD, "chip", 1, 1_500, 1_600, 0, 0, 406_000, [], "lost"),
        TaskSpan(1, 2, ADD, "chip", 2, 1_500, 1_700, 0, 0, 600_000, [], "lost"),
        TaskSpan(1, 3, ADD, "chip", 1, 407_000, 407_100, 0, 0, 700_000, [], "lost"),
        TaskSpan(1, 4, READ, "sub", -1, 2_500, 0, 0, 0, 701_000, [1], "skipped"),
    ],
    children=CHILDREN,
)
CRASHED = dataclasses.replace(
    RECORD,
    exit_code=5,
    trace=LOST,
    verification=None,
    callables=[
        RECORD.callables[0]._replace(flags=("-O1",), sources=[SourceRecord("add.cpp", 1, "int add;")]),
        RECORD.callables[1],
    ],
    worker_output="".join(f"line {n}\n" for n in range(100)),
    command=("callring", "--config-dir", "my configs", "build=debug"),
)


def test_the_message_names_the_first_task_the_others_and_the_skipped_ones():
    words = failure_words(LOST, RECORD.names)
    assert words == "lost: task 1 of run 1 (add) on chip 1, and 2 more on chip 2 and chip 1; 1 task skipped"
    assert failure_words(Trace(), {}) == ""


def test_only_the_last_death_of_a_child_that_died_twice_has_a_reason():
    assert [(task.span.task, task.why) for task in failed_tasks(LOST)] == [(1, ""), (2, "SIGSEGV"), (3, "SIGSEGV")]


@pytest.mark.parametrize(
    ("signal", "exit_status", "word"),
    [(11, None, "SIGSEGV"), (62, None, "signal 62"), (None, 3, "exited with status 3"), (None, None, "")],
)
def test_the_end_of_a_process_has_a_short_form(signal, exit_status, word):
    child = ChildInfo("chip", 0, 20, 2, "ready", 1, "in whatever words", {}, signal, exit_status)
    assert exit_word(child) == word


def test_names_are_joined_with_commas_and_and():
    assert [joined(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_a_crash_has_source_flags_output_and_the_states_of_the_others():
    found = failure_document(CRASHED)
    assert (found["task"], found["worker"], found["state"], found["took_ns"]) == (1, "chip 1", "lost", 404_400)
    assert found["flags"] == ["-O1"]
    assert found["sources"] == [{"file": "add.cpp", "first_line": 1, "text": "int add;", "left_out": 0}]
    assert (len(found["output"]), found["output"][-1]) == (40, "line 99")
    assert found["others"] == [
        ("chip 0", "executed task 0 (add), done at 502 µs"),
        ("chip 1", "task 1 (add): lost at 405 µs, then replaced"),
        ("chip 2", "task 2 (add): lost at 599 µs, then replaced"),
    ]


def test_the_next_command_keeps_the_arguments_and_replaces_the_build():
    commands = [one["command"] for one in failure_document(CRASHED)["next"]]
    assert commands == [
        "callring --config-dir 'my configs' build=asan",
        "callring --config-dir 'my configs' build=debug worker.cores_per_chip=1",
    ]


def test_a_run_without_failures_has_no_section_of_failures():
    assert failure_document(RECORD) is None


def test_a_lost_task_is_drawn_on_its_worker_from_its_dispatch_until_the_parent_noticed():
    found = timeline(LOST, RECORD.names, {})
    rows = {row[6]: row for row in zip(*found["tasks"], strict=True)}
    assert (found["workers"][rows[3][0]]["name"], rows[3][1], rows[3][2], rows[3][4], rows[3][13]) == (
        "chip 1",
        406_100,
        292_900,
        "lost",
        "SIGSEGV",
    )
    assert rows[4][0] == -1


@given(traces())
def test_every_failed_task_is_found_once_in_the_order_in_which_the_parent_noticed(trace):
    found = failed_tasks(trace)
    assert sorted(task.span.task for task in found) == sorted(t.task for t in trace.tasks if t.state in FAILED)
    assert [task.span.complete_ns for task in found] == sorted(task.span.complete_ns for task in found)


def test_the_source_of_a_python_callable_is_the_function_alone():
    (found,) = python_source(PythonSpec("compare", "pipeline.workloads.compare_arrays:compare", False))
    assert found.file == "compare_arrays.py"
    assert found.text.startswith("def compare(")
    assert python_source(PythonSpec("compare", "pipeline.workloads.compare_arrays:nothing", False)) == []
    assert python_source(PythonSpec("compare", "pipeline.nowhere:nothing", False)) == []
