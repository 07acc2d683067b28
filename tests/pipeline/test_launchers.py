"""Points that Hydra's launchers run in other processes are put together like any others."""

import csv

import pytest

SWEPT = ("-m", "workload=vector_add", "+topology=node", "workload.size=64,-1,128", "hydra.sweep.dir=sweep")


@pytest.mark.parametrize(
    ("plugin", "arguments"),
    [
        ("joblib", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]),
        ("submitit", ["hydra/launcher=submitit_local"]),
    ],
)
def test_a_launcher_runs_every_point_and_a_failed_one_costs_only_itself(command, plugin, arguments):
    pytest.importorskip(plugin, reason=f"{plugin} (the sweep extra) is not installed")
    done = command(*SWEPT, *arguments)
    assert done.code == 1, done.out + done.err
    with (done.folder / "sweep" / "results.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok", "error", "ok"]
    assert "workload.size=-1: at least 1 element" in done.err
