"""Every topology that comes with Callring runs; the error of a workload that cannot run there names one that can."""

import json

import pytest
import yaml

from pipeline.sweep.curves import charts_of
from pipeline.sweep.points import Point

from .conftest import PROJECT

CONF = PROJECT / "conf"
TOPOLOGIES = sorted(file.stem for file in (CONF / "topology").glob("*.yaml"))
WORKLOADS = sorted(file.stem for file in (CONF / "workload").glob("*.yaml"))
ALSO = {"cluster": ["topology.engine.kind=fake", "topology.children.0.chips=2"]}
"""Options with which a topology runs on this machine."""
FOR_NODES = ["vector_add_on_nodes", "train_on_nodes"]
RUN_ON = {"cluster": FOR_NODES, "pod": FOR_NODES, "subs": ["softmax", "small_python_tasks"]}
"""Topologies, with the workloads that run there; errors name the first of these."""


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_shipped_topology_runs_and_verifies(inside, topology):
    done = inside(f"+topology={topology}", *ALSO.get(topology, ()), "hydra.run.dir=run")
    assert done.code == 0, done.err
    result = json.loads((done.folder / "run" / "result.json").read_text())
    assert result["verification"]["passed"] is True
    assert result["verification"]["figures"]


@pytest.mark.parametrize("topology", RUN_ON)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_workload_runs_on_nodes_or_on_sub_workers_or_names_one_that_does(inside, topology, workload):
    done = inside(f"+topology={topology}", f"workload={workload}", "stage=describe")
    if workload in RUN_ON[topology]:
        assert done.code == 0, done.err
        return
    assert done.code == 1
    other = "+topology=pod" if topology == "subs" and workload in FOR_NODES else None
    assert (other or f"workload={RUN_ON[topology][0]} ") in done.err, done.err


def test_the_choice_of_the_command_line_takes_precedence_over_that_of_a_topology(inside):
    done = inside("+topology=subs", "workload=small_python_tasks", "stage=plan", "output=json")
    assert json.loads(done.out)["workload"] == "small_python_tasks", done.err


def test_a_topology_of_sub_workers_alone_needs_only_two_numbers(inside):
    done = inside("topology.chips=0", "topology.sub_workers=2", "workload=softmax", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert "started     2 sub-workers" in done.out


def test_chip_callables_that_no_child_could_run_are_built_and_not_registered(inside, tmp_path):
    folder = tmp_path / "mine"
    (folder / "workload").mkdir(parents=True)
    softmax = yaml.safe_load((CONF / "workload" / "softmax.yaml").read_text())
    softmax["defaults"].append({"/callable@callables.add": "vector_add"})
    (folder / "workload" / "both.yaml").write_text(yaml.safe_dump(softmax))
    done = inside("--config-dir", str(folder), "+topology=subs", "workload=both")
    assert done.code == 0, done.err
    words = [line.split()[:2] for line in done.out.splitlines()]
    assert ["registered", "softmax_rows"] in words
    assert ["registered", "add"] not in words


def test_a_sweep_over_three_workloads_names_them_all_and_draws_no_speed_up(inside):
    sweep = ("-m", "+topology=chip1,subs,pod", "workload.repeat=2", "hydra.sweep.dir=sweep")
    done = inside(*sweep)
    assert done.code == 0, done.err
    page = (done.folder / "sweep" / "sweep.html").read_text()
    assert "<title>Sweep of mlp_digits, softmax and vector_add_on_nodes over topology</title>" in page
    assert "Speed-up" not in page


@pytest.mark.parametrize(("chips", "workloads"), [((0, 2), "aa"), ((1, 2), "ab")])
def test_no_speed_up_is_drawn_without_a_chip_or_across_workloads(chips, workloads):
    points = []
    for count, workload in zip(chips, workloads, strict=True):
        point = Point((f"+topology=t{count}",), number=count)
        topology = {"chips": count, "sub_workers": 1}
        runs = {"run_seconds": [1.0]}
        point.result = {"exit_code": 0, "workload": workload, "configuration": {"topology": topology}}
        point.result |= {"measurements": runs}
        point.run_seconds = (1.0, 1.0, 1.0)
        points.append(point)
    (chart,) = charts_of(points, ["topology"])
    assert chart["title"] == "Time over topology"
    named = chart["legend"]
    assert [name in named for name in ("workload a", "workload b")] == [workloads == "ab"] * 2
