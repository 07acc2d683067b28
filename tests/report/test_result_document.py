"""result.json has all known data of a run, even if the run ended early."""

import dataclasses
import json

import numpy as np
import pytest

from pipeline.building.store import Store
from pipeline.common.files import write_atomically
from pipeline.report.provenance import provenance
from pipeline.report.record import CallableRecord, RunRecord
from pipeline.report.result import result_document, result_text, write_result
from pipeline.report.statistics import distribution, measurements, task_statistics
from pipeline.report.summary import outcome_lines, summary_text
from pipeline.terminal.actions import Action, StageRecord
from pipeline.workloads.base import Verification
from runtime.observe.trace import TaskSpan, Trace

ADD = "sha256:" + "a" * 64
READ = "sha256:" + "b" * 64

RECORD = RunRecord(
    workload="vector_add",
    topology="chip2",
    target="a2a3sim",
    build="release",
    exit_code=0,
    configuration={"workload": {"size": 8}},
    provenance={"python": "3.11.4"},
    callables=[
        CallableRecord("add", "CHIP_CALLABLE", ADD, "LOCAL_CHIP"),
        CallableRecord("read", "PYTHON_SOURCE", READ, "LOCAL_PYTHON"),
    ],
    stages=[StageRecord("build", 1.5, [Action("built", "add", "aaaa", 1.4)]), StageRecord("execute", 0.5)],
    trace=Trace(
        [
            TaskSpan(1, 1, ADD, "chip", 0, 1_000, 1_500, 2_000, 5_000, 5_500, [], "done"),
            TaskSpan(1, 2, ADD, "chip", 1, 1_000, 3_000, 4_000, 5_000, 5_500, [], "done"),
            TaskSpan(1, 3, READ, "sub", -1, 1_000, 0, 0, 0, 6_000, [1], "skipped"),
        ]
    ),
    verification=Verification(True, {"elements": 8}, "out: 8 elements agree"),
)


def test_a_result_has_the_documented_keys():
    document = result_document(RECORD)
    assert list(document) == [
        "version",
        "status",
        "exit_code",
        "error",
        "workload",
        "topology",
        "target",
        "build",
        "verification",
        "callables",
        "lock",
        "seconds",
        "stages",
        "measurements",
        "tasks",
        "virtual",
        "engine",
        "provenance",
        "overrides",
        "configuration",
    ]
    assert document["status"] == "ok"
    assert document["callables"][0] == {
        "name": "add",
        "kind": "CHIP_CALLABLE",
        "hashid": ADD,
        "target_namespace": "LOCAL_CHIP",
    }
    assert document["stages"][0]["actions"] == [{"word": "built", "name": "add", "hash": "aaaa", "seconds": 1.4}]


@pytest.mark.parametrize(
    ("exit_code", "status"),
    [(1, "error"), (3, "build_failed"), (4, "failed"), (5, "worker_lost"), (130, "interrupted"), (77, "error")],
)
def test_the_status_follows_the_exit_code(exit_code, status):
    assert result_document(dataclasses.replace(RECORD, exit_code=exit_code))["status"] == status


def test_a_run_that_failed_early_has_a_result_too(tmp_path):
    early = RunRecord(
        workload="w", topology="t", target="x", build="debug", exit_code=3, configuration={}, provenance={}, error="no"
    )
    write_result(tmp_path / "result.json", result_document(early))
    document = json.loads((tmp_path / "result.json").read_text())
    assert (document["status"], document["error"], document["verification"]) == ("build_failed", "no", None)
    assert document["tasks"] == {
        "count": 0,
        "states": {},
        "execution_seconds": None,
        "queue_seconds": None,
        "callables": {},
        "below": None,
    }


def test_tasks_are_counted_and_timed_by_callable():
    tasks = task_statistics(RECORD.trace, RECORD.names)
    assert (tasks["count"], tasks["states"]) == (3, {"done": 2, "skipped": 1})
    assert tasks["callables"]["add"]["execution_seconds"] == pytest.approx(
        {"min": 1e-6, "median": 2e-6, "p99": None, "max": 3e-6}
    )
    assert tasks["callables"]["add"]["queue_seconds"]["max"] == pytest.approx(3e-6)
    assert tasks["callables"]["read"]["execution_seconds"] is None


def test_p99_is_the_smallest_duration_that_99_percent_do_not_exceed():
    assert distribution(list(range(1, 101))).p99 == pytest.approx(99e-9)
    assert distribution(list(range(1, 202))).p99 == pytest.approx(199e-9)


def test_fewer_than_100_durations_have_no_p99():
    assert distribution(list(range(1, 100))).p99 is None


def test_callables_of_equal_bytes_are_reported_together():
    twins = [CallableRecord(name, "CHIP_CALLABLE", ADD, "LOCAL_CHIP") for name in ("add", "plus")]
    record = dataclasses.replace(RECORD, callables=twins)
    assert list(result_document(record)["tasks"]["callables"]) == ["add/plus", READ]


def test_figures_that_json_cannot_hold_become_words(tmp_path):
    spoilt = Verification(False, {"max_abs_error": float("inf"), "mean": float("nan")}, "")
    write_result(tmp_path / "r.json", result_document(dataclasses.replace(RECORD, verification=spoilt)))
    figures = json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)["verification"]["figures"]
    assert figures == {"max_abs_error": "inf", "mean": "nan"}


def test_figures_of_numpy_are_plain_numbers():
    measured = Verification(True, {"right": np.int64(3), "mean": np.float32(0.5), "same": np.True_}, "")
    text = result_text(result_document(dataclasses.replace(RECORD, verification=measured)))
    assert json.loads(text)["verification"]["figures"] == {"right": 3, "mean": 0.5, "same": True}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_atomically(path, b"old")

    def broken_disk(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", broken_disk)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new", durable=True)
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    assert path.read_bytes() == b"old"


def test_provenance_names_versions_compiler_and_machine(tmp_path):
    store = Store(tmp_path, "callables")
    found = provenance(store)
    assert found["compiler"].startswith("g++")
    assert found["versions"]["numpy"]
    assert found["machine"]["cores"] >= 1
    assert found["time"].endswith("+00:00")
    assert found["git"] is None or len(found["git"]["commit"]) == 40
    # The cached values equal newly queried ones.
    assert provenance(store) | {"time": ""} == found | {"time": ""}


def test_the_summary_is_plain_aligned_lines():
    lines = summary_text(result_document(RECORD)).splitlines()
    assert lines[0].split() == ["callable", "hash", "tasks", "median", "p99", "max", "median", "wait"]
    assert lines[1].split() == ["add", "aaaaaaaa", "2", "2.00", "us", "-", "3.00", "us", "2.00", "us"]
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[-1] == "ok          vector_add on chip2 (a2a3sim, release): 3 tasks in 2.00 s"
    assert "\n".join(lines).isascii()


def test_a_difference_is_reported_once_in_the_words_of_the_verification():
    differs = dataclasses.replace(
        RECORD, exit_code=4, verification=Verification(False, {}, "out: 1 differs"), error="verification differed"
    )
    assert outcome_lines(result_document(differs))[0] == "differs     out: 1 differs"
    assert not any("verification differed" in line for line in outcome_lines(result_document(differs)))


def span(run, begin, end, hashid=ADD):
    return TaskSpan(run, 1, hashid, "chip", 0, 0, 0, begin, end, end, [], "done" if begin else "skipped")


def test_measurements_are_one_number_for_each_run_without_warm_up_runs():
    spans = [span(7, 10, 11), span(8, 10, 13), span(8, 10, 15), span(8, 10, 99), span(9, 10, 16), span(9, 0, 0, READ)]
    found = measurements([0.5, 0.25], 1, Trace(spans[::-1]), {ADD: "add"}, [0.75])
    assert found == {
        "warm_up": 1,
        "warm_up_seconds": [0.75],
        "run_seconds": [0.5, 0.25],
        "execution_seconds": {"add": [5e-9, 6e-9]},
    }


def test_tasks_of_warm_up_runs_are_counted_and_not_part_of_durations():
    spans = [span(7, 10, 999), span(8, 10, 13), span(8, 10, 15)]
    found = task_statistics(Trace(spans), {ADD: "add"}, 1)
    assert (found["count"], found["states"]) == (3, {"done": 3})
    assert found["callables"]["add"]["execution_seconds"]["max"] == pytest.approx(5e-9)


def test_a_run_that_ended_early_has_no_measurements():
    assert measurements([], 2, Trace(), {}) == {
        "warm_up": 2,
        "warm_up_seconds": [],
        "run_seconds": [],
        "execution_seconds": {},
    }
