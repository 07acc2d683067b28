"""Every sweep of conf/benchmark runs, with few and small points."""

import csv

import pytest

from .conftest import PROJECT

SMALLER = {
    "captured_tasks": ["+topology=chip2", "workload.sizes.tasks=40"],
    "chip_tasks": ["workload.sizes.tasks=4,40"],
    "python_tasks": ["workload.sizes.tasks=4", "topology.sub_workers=1,2"],
    "modelled": ["topology.chips=1,256", "chip_model.dispatch_ns=300", "workload.size=1024"],
    "scaling": ["+topology=chip1,chip2", "workload.size=1024"],
    "tiles": ["workload.m=64", "workload.n=64", "workload.k=64", "workload.tile_m=32,64", "workload.tile_k=64"],
}


def test_every_benchmark_is_tested():
    assert set(SMALLER) == {file.stem for file in (PROJECT / "conf" / "benchmark").glob("*.yaml")}


@pytest.mark.parametrize("name", SMALLER)
def test_a_benchmark_leaves_a_figure_for_every_point(inside, name):
    once = ["workload.warm_up=0", "workload.repeat=1", "output=quiet", "hydra.sweep.dir=sweep"]
    done = inside("-m", f"+benchmark={name}", *SMALLER[name], *once)
    assert (done.code, done.out) == (0, ""), done.err
    with (done.folder / "sweep" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 2
    figure = "virtual_makespan_ns" if name == "modelled" else "run_seconds_median"
    assert all(float(row[figure]) > 0 for row in rows)
