"""trace.json.gz contains the spans, in a form that Perfetto opens."""

import dataclasses
import gzip
import json

import pytest
from hypothesis import given

from pipeline.report.trace import chrome_trace, write_trace
from pipeline.terminal.actions import StageRecord
from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import CoreSpan, TaskSpan, Trace
from tests.report.trace_format import flow_slices, violations
from tests.report.traces import traces

ADD = "sha256:" + "a" * 64
READ = "sha256:" + "b" * 64
T0 = 5_000_000_000_000

CHILDREN = [
    ChildInfo("sub", 0, 31, 1, "ready", 1, "", {}),
    ChildInfo("chip", 1, 22, 1, "ready", 1, "", {}),
    ChildInfo("chip", 0, 21, 1, "ready", 1, "", {}),
]
TRACE = Trace(
    [
        TaskSpan(1, 1, ADD, "chip", 0, T0, T0 + 50, T0 + 2_000, T0 + 9_500, T0 + 9_900, [], "done"),
        TaskSpan(1, 2, ADD, "chip", 1, T0 + 100, T0 + 150, T0 + 2_500, T0 + 8_000, T0 + 9_900, [], "failed"),
        TaskSpan(1, 3, READ, "sub", 0, T0 + 200, T0 + 9_900, T0 + 10_000, T0 + 20_001, T0 + 20_500, [1], "done"),
        TaskSpan(1, 4, READ, "sub", -1, T0 + 300, 0, 0, 0, T0 + 9_900, [2], "skipped"),
    ],
    [
        CoreSpan(0, 1, 1, 0, 0, T0 + 3_000, T0 + 5_000),
        CoreSpan(0, 1, 1, 1, 1, T0 + 5_000, T0 + 9_000),
        CoreSpan(1, 1, 2, 0, 7, T0 + 3_000, T0 + 7_000),
    ],
    dropped=3,
    children=CHILDREN,
)


@pytest.fixture
def document():
    return json.loads(chrome_trace(TRACE, 11, {ADD: "add", READ: "read"}, {ADD: ("first", "second")}))


def events(document, phase):
    return [event for event in document["traceEvents"] if event["ph"] == phase]


def test_every_process_and_thread_that_has_events_is_named(document):
    processes = {e["pid"]: e["args"]["name"] for e in events(document, "M") if e["name"] == "process_name"}
    threads = {(e["pid"], e["tid"]): e["args"]["name"] for e in events(document, "M") if e["name"] == "thread_name"}
    assert processes == {11: "parent", 21: "chip 0", 22: "chip 1", 31: "sub-worker 0"}
    assert threads == {
        (11, 2): "submits",
        (11, 3): "dispatches",
        (11, 4): "completions",
        (11, 7): "critical path",
        (21, 1): "lane",
        (21, 5): "core 0",
        (21, 6): "core 1",
        (22, 1): "lane",
        (22, 5): "core 0",
        (31, 1): "lane",
    }
    assert {(e["pid"], e["tid"]) for e in events(document, "X")} <= set(threads)


def test_tracks_are_ordered_parent_first_then_chips_then_sub_workers(document):
    order = {e["pid"]: e["args"]["sort_index"] for e in events(document, "M") if e["name"] == "process_sort_index"}
    assert sorted(order, key=order.get) == [11, 21, 22, 31]


def test_times_are_microseconds_since_the_first_submit_and_keep_their_nanoseconds(document):
    (read,) = [e for e in events(document, "X") if e["name"] == "read"]
    assert (read["ts"], read["dur"], read["args"]["queued_us"]) == (10.0, 10.001, 9.8)
    assert document["otherData"]["origin_ns"] == T0
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in events(document, "X"))


def test_events_are_in_order_of_time(document):
    times = [event["ts"] for event in document["traceEvents"] if event["ph"] != "M"]
    assert times == sorted(times)


def test_the_document_keeps_the_rules_of_the_format(document):
    assert violations(document) == []


def test_a_flow_leads_from_each_submit_to_dispatch_execution_and_completion(document):
    ways = {number: [(p, s["cat"], s["pid"]) for p, s in bound] for number, bound in flow_slices(document).items()}
    executed = {0: ("chip", 21), 1: ("chip", 22), 2: ("sub", 31)}
    for number, execution in executed.items():
        assert ways[number] == [("s", "submit", 11), ("t", "dispatch", 11), ("t", *execution), ("f", "complete", 11)]
    assert ways[3] == [("s", "submit", 11), ("f", "complete", 11)]


def test_a_task_that_never_began_shows_its_submit_and_its_end_with_its_state(document):
    of_the_fourth = [e for e in document["traceEvents"] if e.get("args", {}).get("task") == 4]
    assert [(e["name"], e["args"]["state"]) for e in of_the_fourth] == [
        ("submit read", "skipped"),
        ("complete read", "skipped"),
    ]


@given(traces())
def test_every_trace_keeps_the_rules_of_the_format(trace):
    document = json.loads(chrome_trace(trace, 11, {}, {}))
    assert violations(document) == []
    assert len(flow_slices(document)) == len(trace.tasks)


def test_core_spans_carry_their_kernels_name_or_number(document):
    assert sorted(e["name"] for e in events(document, "X") if e["cat"] == "core") == ["first", "kernel 7", "second"]


def test_the_critical_path_is_a_track_of_the_parent(document):
    pieces = [e for e in events(document, "X") if (e["pid"], e["tid"]) == (11, 7)]
    assert [piece["name"] for piece in pieces] == [
        "hand-over: add",
        "execution: add",
        "hand-over: read",
        "execution: read",
        "completion: read",
    ]
    assert sum(piece["dur"] for piece in pieces) == pytest.approx(20.5)
    assert pieces[3]["args"] == {"cause": "dependency", "run": 1, "task": 3}


def test_counters_show_the_numbers_of_queued_tasks_and_busy_workers(document):
    found = {}
    for event in events(document, "C"):
        found.setdefault(event["name"], []).append((event["ts"], *event["args"].values()))
    assert found["workers busy"] == [(2.0, 1), (2.5, 2), (8.0, 1), (9.5, 0), (10.0, 1), (20.001, 0)]
    assert found["tasks queued"] == [(0.0, 1), (0.1, 2), (0.2, 3), (2.0, 2), (2.5, 1), (10.0, 0)]


def test_a_counter_of_very_many_changes_is_sampled():
    tasks = [TaskSpan(1, i, ADD, "chip", 0, i, i, 10 * i + 1, 10 * i + 9, 10 * i + 9, [], "done") for i in range(9_000)]
    document = json.loads(chrome_trace(Trace(tasks, children=CHILDREN), 11, {}, {}))
    assert violations(document) == []
    assert 1_000 < len([e for e in events(document, "C") if e["name"] == "tasks queued"]) <= 4_000


def test_stages_are_a_track_and_the_clock_begins_with_the_first_of_them():
    stages = [StageRecord("build", 0.001, (), T0 - 3_000_000), StageRecord("execute", 0.001, (), T0 - 500_000)]
    document = json.loads(chrome_trace(TRACE, 11, {ADD: "add"}, {}, stages=[StageRecord("describe", 0.1), *stages]))
    assert violations(document) == []
    found = [e for e in events(document, "X") if e["cat"] == "stage"]
    assert [(e["name"], e["pid"], e["tid"], e["ts"], e["dur"]) for e in found] == [
        ("build", 11, 6, 0.0, 1000.0),
        ("execute", 11, 6, 2500.0, 1000.0),
    ]
    assert document["otherData"]["origin_ns"] == T0 - 3_000_000


def test_a_lost_task_lies_on_its_lane_until_the_parent_noticed_and_ends_with_the_reason():
    children = [
        CHILDREN[0],
        CHILDREN[1],
        CHILDREN[2]._replace(incarnation=2, last_exit="killed by signal 9 (SIGKILL)", last_signal=9),
    ]
    done = TaskSpan(1, 1, ADD, "chip", 0, T0, T0 + 50, T0 + 2_000, T0 + 9_500, T0 + 9_900, [], "done")
    lost = TaskSpan(1, 2, ADD, "chip", 0, T0, T0 + 60, 0, 0, T0 + 30_000, [], "lost")
    document = json.loads(chrome_trace(Trace([done, lost], children=children), 11, {ADD: "add"}, {}))
    assert violations(document) == []
    on_lane = [e for e in events(document, "X") if (e["pid"], e["tid"]) == (21, 1)]
    assert [(e["ts"], e["dur"], e["args"]["state"]) for e in on_lane] == [(2.0, 7.5, "done"), (9.5, 20.5, "lost")]
    (death,) = events(document, "i")
    assert (death["name"], death["pid"], death["ts"], death["args"]["task"]) == ("lost: SIGKILL", 21, 30.0, 2)


def test_dropped_spans_are_reported(document):
    assert document["otherData"]["dropped_core_spans"] == 3


def test_the_file_is_the_document_and_equal_spans_give_equal_bytes(document, tmp_path):
    text = chrome_trace(TRACE, 11, {ADD: "add", READ: "read"}, {ADD: ("first", "second")})
    write_trace(tmp_path / "a.json.gz", text)
    again = chrome_trace(TRACE, 11, {READ: "read", ADD: "add"}, {ADD: ("first", "second")})
    write_trace(tmp_path / "b.json.gz", again)
    content = (tmp_path / "a.json.gz").read_bytes()
    assert json.loads(gzip.decompress(content)) == document
    assert content == (tmp_path / "b.json.gz").read_bytes()


def test_an_empty_trace_still_names_the_processes():
    document = json.loads(chrome_trace(Trace(children=CHILDREN), 11, {}, {}))
    assert {e["ph"] for e in document["traceEvents"]} == {"M"}
    assert document["otherData"]["origin_ns"] == 0


def test_a_span_of_an_unknown_child_is_refused():
    with pytest.raises(KeyError, match="sub-worker 0"):
        chrome_trace(dataclasses.replace(TRACE, children=CHILDREN[1:]), 11, {}, {})
