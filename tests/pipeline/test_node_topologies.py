"""A topology of nodes is planned, started, run, verified, traced and swept like a topology of chips."""

import csv
import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from pipeline.config.topology import parse_topology
from pipeline.run.stages.plan import _processes
from runtime import Worker
from tests.contract.conftest import descendants

from .conftest import USER_CONFIGS

ALLOWED = "python_packages=[pipeline,user_programs]"
ON_NODES = (*USER_CONFIGS, "workload=sums_on_nodes", ALLOWED)
POD = {"level": 4, "sub_workers": 1, "children": [{"chips": 2}, {"count": 2, "chips": 1, "sub_workers": 1}]}


def test_a_workload_that_is_declared_for_nodes_runs_on_them_and_is_verified(inside):
    done = inside(*ON_NODES, "+topology=pod", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert "started     2 nodes, 8 chips, 2 sub-workers" in done.out
    result = json.loads((done.folder / "run" / "result.json").read_text())
    assert result["tasks"]["callables"]["add_on_chips"]["count"] == 2 * 2
    assert result["verification"]["figures"] == {"out.max_abs_error": 0.0}
    trace = json.loads(gzip.decompress((done.folder / "run" / "trace.json.gz").read_bytes()))
    names = {event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"}
    below = [*(f"chip {i}" for i in range(4)), "sub-worker 0"]
    assert names == {"parent", *(name for n in ("node 0", "node 1") for name in (n, *(f"{n} / {b}" for b in below)))}
    executed = Counter(event["name"] for event in trace["traceEvents"] if event.get("cat") in {"node", "chip"})
    assert executed == {"add_on_chips": 4, "add": 16}
    assert trace["otherData"]["missing_nodes"] == []


def test_a_wrong_outcome_on_a_node_is_found(inside):
    done = inside(*ON_NODES, "+topology=pod", "callable@workload.callables.add=wrong_sum")
    assert done.code == 4
    assert "elements differ" in done.err


def test_the_error_of_a_kernel_on_a_node_names_the_callable_and_the_node(inside):
    done = inside(*ON_NODES, "+topology=pod", "callable@workload.callables.add=refuses")
    assert done.code == 4
    # Both nodes fail, in either order.
    assert re.search(r"in node [01], callable add_on_chips \(sha256:", done.err)
    assert "code 7" in done.err


def test_an_orchestration_function_receives_the_nodes(inside):
    own = ("~workload.tasks", "+workload.orchestration=user_programs.nodes:orchestrate")
    done = inside(*ON_NODES, "+topology=pod", *own, "workload.repeat=1", "hydra.run.dir=run")
    assert done.code == 0, done.err
    trace = json.loads(gzip.decompress((done.folder / "run" / "trace.json.gz").read_bytes()))
    (node,) = [event["pid"] for event in trace["traceEvents"] if event.get("cat") == "node"]
    names = {e["pid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert names[node] == "node 1"


def test_points_of_a_sweep_share_the_nodes(inside):
    done = inside(
        "-m", *ON_NODES, "+topology=pod", "workload.sizes.size=1024,4096", "hydra.sweep.dir=sweep", "output=verbose"
    )
    assert done.code == 0, done.err
    assert done.out.count("warm        2 nodes, 8 chips, 2 sub-workers") == 1
    with (done.folder / "sweep" / "results.csv").open(newline="") as file:
        assert [row["chips"] for row in csv.DictReader(file)] == ["8", "8"]


@pytest.mark.parametrize("config", [POD, {"level": 5, "children": [POD | {"level": 4}]}], ids=["level 4", "level 5"])
def test_a_plan_shows_the_processes_that_start(config):
    tree = parse_topology(config)

    def made(level):
        worker = Worker(level.level, chips=level.chips, sub_workers=level.sub_workers)
        for child in level.children:
            worker.add_worker(made(child))
        return worker

    before = descendants()
    with made(tree):
        started = descendants() - before
        parents = Counter(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in started)
    assert sorted(parents.values()) == sorted(numbers_of_children(_processes(tree)))


def numbers_of_children(process):
    """The number of children of every process with children, in a plan."""
    below = [number for child in process.children for number in numbers_of_children(child)]
    return [len(process.children), *below] if process.children else below
