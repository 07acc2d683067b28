"""``compare`` on real runs: exit codes, results and words."""

import csv
import json

import pytest

MEASURED = ("workload=vector_add", "workload.warm_up=1", "workload.repeat=10")


def test_a_run_of_much_more_work_is_slower_and_one_of_much_less_is_faster(command):
    assert command(*MEASURED, "workload.size=10000", "hydra.run.dir=before").code == 0
    slower = command(*MEASURED, "workload.size=4000000", "compare=before/result.json", "hydra.run.dir=after")
    assert slower.code == 6, slower.out + slower.err
    assert slower.err.startswith("error: the run takes ")
    assert "workload.size: 10000 before, 4000000 now" in slower.out
    result = json.loads((slower.folder / "after" / "result.json").read_text())
    assert (result["status"], result["exit_code"]) == ("slower", 6)
    (line,) = result["comparison"]["lines"]
    assert line["ratio"] > line["low"] > 1.1
    faster = command(*MEASURED, "workload.size=10000", "compare=after", "hydra.run.dir=again")
    assert "nothing there ended well" in faster.err  # what was too slow is no baseline
    allowed = command(*MEASURED, "workload.size=4000000", "compare=before", "compare_threshold=1e9", "output=json")
    assert allowed.code == 0
    assert json.loads(allowed.out)["comparison"]["lines"][0]["verdict"] == "slower"


def test_a_sweep_is_compared_point_by_point(command):
    sweep = ("-m", *MEASURED, "+topology=chip1,chip2", "workload.size=1000,2000000")
    assert command(*sweep, "hydra.sweep.dir=before").code == 0
    done = command(*sweep, "compare=before", "compare_threshold=50", "hydra.sweep.dir=after")
    assert done.code == 0, done.err
    with (done.folder / "after" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["compared_with"] for row in rows] == [f"before/{job}" for job in range(4)]
    for row in rows:
        assert float(row["compared_low"]) <= float(row["compared_ratio"]) <= float(row["compared_high"])
    assert "times as long as before" in (done.folder / "after" / "sweep.html").read_text()
    against_one = command(*sweep, "compare=before/0", "hydra.sweep.dir=again")
    assert against_one.code == 6
    assert "workload.size=2000000 takes " in against_one.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare=nowhere"], "compare=nowhere: no such file"),
        (["compare=."], "compare=.: no result.json"),
        (["compare=.", "stage=build"], "stage=build measures nothing"),
        (["compare_threshold=-1"], "compare_threshold=-1.0: more than 0"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused_before_anything_runs(command, arguments, words):
    done = command("workload=vector_add", *arguments)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert "started" not in done.out
