"""Optuna chooses the points of a sweep: the default first, none twice; an impossible point is no failure."""

import csv

import pytest

pytest.importorskip("optuna", reason="optuna (the tune extra) is not installed")

SPACE = ("workload.m=64", "workload.n=64", "workload.k=64", "workload.tile_m=8,16,64", "workload.tile_k=128,100000")
WITHOUT_OPTUNA = "import sys; sys.modules['optuna'] = None; from pipeline import app; sys.exit(app.main())"


def test_the_default_is_tried_first_no_point_twice_and_an_impossible_one_does_not_fail_the_search(command):
    done = command("-m", "workload=matmul", *SPACE, "hydra.sweeper.trials=12", "hydra.sweep.dir=tuned")
    assert done.code == 0, done.err
    with (done.folder / "tuned" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    tried = [(row["workload.tile_m"], row["workload.tile_k"]) for row in rows]
    assert tried[0] == ("64", "128")
    assert len(set(tried)) == len(tried) <= 6
    assert {row["status"] for row in rows if row["workload.tile_k"] == "100000"} <= {"error"}
    assert "fastest" in done.out


def test_a_search_without_a_choice_or_without_optuna_is_refused(command):
    done = command("-m", "workload=matmul", "hydra.sweeper.trials=3")
    assert (done.code, done.err.splitlines()[0].partition(":")[0]) == (1, "error")
    assert "nothing to choose from" in done.err
    with command.start("-m", "workload=matmul", *SPACE, "hydra.sweeper.trials=3", program=("-c", WITHOUT_OPTUNA)) as p:
        _, err = p.communicate()
    assert p.returncode == 1
    assert "pip install 'callring[tune]'" in err
