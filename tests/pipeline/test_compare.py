"""``compare`` on real runs: exit codes, results and messages."""

import csv
import json
import re

import pytest

MEASURED = ("workload=vector_add", "workload.warm_up=1", "workload.repeat=10")


FAR = 1e6
"""A ratio that is too large to be caused by the machine's load."""


def change(folder, job, factor):
    """Multiplies the measured times of a run."""
    file = folder / str(job) / "result.json"
    result = json.loads(file.read_text())
    measured = result["measurements"]
    measured["run_seconds"] = [factor * seconds for seconds in measured["run_seconds"]]
    for series in measured["execution_seconds"].values():
        series[:] = [factor * seconds for seconds in series]
    file.write_text(json.dumps(result))


def test_a_run_that_took_far_less_before_is_slower_and_one_that_took_far_more_is_faster(command):
    assert command(*MEASURED, "workload.size=10000", "hydra.run.dir=before").code == 0
    change(command.folder, "before", 1 / FAR)
    slower = command(*MEASURED, "workload.size=20000", "compare=before/result.json", "hydra.run.dir=after")
    assert slower.code == 6, slower.out + slower.err
    assert slower.err.startswith("error: the run takes ")
    assert "workload.size: 10000 before, 20000 now" in slower.out
    assert re.search(r"slower, \S+ to \S+ times as long", slower.out)
    result = json.loads((slower.folder / "after" / "result.json").read_text())
    assert (result["status"], result["exit_code"]) == ("slower", 6)
    (line,) = result["comparison"]["lines"]
    assert line["ratio"] > line["low"] > 1.1
    refused = command(*MEASURED, "workload.size=10000", "compare=after", "hydra.run.dir=again")
    assert "no run there succeeded" in refused.err  # a run that was too slow is no baseline
    allowed = command(*MEASURED, "compare=before", f"compare_threshold={FAR**2}", "output=json")
    assert allowed.code == 0
    assert json.loads(allowed.out)["comparison"]["lines"][0]["verdict"] == "slower"
    change(command.folder, "before", FAR**2)
    faster = command(*MEASURED, "compare=before")
    assert faster.code == 0
    assert "faster by " in faster.out


def test_a_sweep_is_compared_point_by_point(command):
    sweep = ("-m", *MEASURED, "+topology=chip1,chip2", "workload.size=1000,2000")
    assert command(*sweep, "hydra.sweep.dir=before").code == 0
    before = command.folder / "before"
    for job in range(4):
        change(before, job, FAR)
    done = command(*sweep, "compare=before", "hydra.sweep.dir=after")
    assert done.code == 0, done.err
    with (done.folder / "after" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["compared_with"] for row in rows] == [f"before/{job}" for job in range(4)]
    for row in rows:
        assert float(row["compared_low"]) <= float(row["compared_ratio"]) <= float(row["compared_high"]) < 1
    assert "times as long as before" in (done.folder / "after" / "sweep.html").read_text()
    change(before, 2, FAR**-2)
    one = command(*sweep, "compare=before", "hydra.sweep.dir=again")
    assert one.code == 6
    (error,) = one.err.splitlines()
    assert error.startswith("error: topology=chip2 workload.size=1000 takes ")
    against_one = command(*sweep, "compare=before/2", "hydra.sweep.dir=against-one")
    assert against_one.code == 6
    assert against_one.err.count(" takes ") == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare=nowhere"], "compare=nowhere: no such file"),
        (["compare=."], "compare=.: no result.json"),
        (["compare=.", "stage=build"], "stage=build measures nothing"),
        (["compare_threshold=-1"], "compare_threshold=-1.0: a number more than 0"),
    ],
)
def test_an_impossible_comparison_is_refused_before_anything_runs(command, arguments, words):
    done = command("workload=vector_add", *arguments)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert "started" not in done.out
