"""A topology whose nodes an engine hosts: the same workloads run and agree with those of a topology of this machine."""

import csv
import json

import pytest

from pipeline.config.topology import parse_topology
from runtime.hosting import Cluster

from .conftest import USER_CONFIGS

ALLOWED = "python_packages=[pipeline,user_programs]"
SMALL = ("topology.children=[{count: 2, chips: 2, sub_workers: 1}]",)
HOSTED = ("+topology=cluster", "topology.engine.kind=fake", *SMALL)
HERE = ("+topology=pod", *SMALL)
FOR_NODES = {
    "vector_add_on_nodes": (),
    "train_on_nodes": ("workload.sizes.epochs=1",),
    "sums_on_nodes": (*USER_CONFIGS, ALLOWED),
}
TWO_NODES = {"level": 4, "chips": 0, "children": [{"count": 2, "chips": 1}]}


@pytest.mark.parametrize("workload", FOR_NODES)
def test_a_workload_for_nodes_has_one_result_on_a_pod_and_on_a_cluster(inside, workload):
    results = []
    for name, topology in (("pod", HERE), ("cluster", HOSTED)):
        done = inside(*FOR_NODES[workload], f"workload={workload}", *topology, f"hydra.run.dir={name}")
        assert done.code == 0, done.err
        results.append(json.loads((done.folder / name / "result.json").read_text()))
    for result in results:
        assert result["verification"]["passed"] is True
    for key in ("verification", "callables"):
        assert results[0][key] == results[1][key]
    counts = [{name: each["count"] for name, each in r["tasks"]["below"]["callables"].items()} for r in results]
    assert counts[0] == counts[1]


def test_the_engine_local_gives_nodes_of_this_machine(inside):
    done = inside("+topology=cluster", "topology.engine.kind=local", *SMALL)
    assert done.code == 0, done.err
    assert "started     2 nodes, 4 chips, 2 sub-workers" in done.out


def test_a_wrong_outcome_on_a_hosted_node_is_found(inside):
    done = inside(
        *FOR_NODES["sums_on_nodes"], "workload=sums_on_nodes", *HOSTED, "callable@workload.callables.add=wrong_sum"
    )
    assert done.code == 4
    assert "elements differ" in done.err


def test_points_of_a_sweep_share_hosted_nodes_and_do_not_take_those_of_this_machine(inside):
    engines = "topology.engine.kind=fake,local"
    done = inside(
        "-m", "+topology=cluster", *SMALL, "workload.sizes.size=1024,4096", engines, "hydra.sweep.dir=sweep",
        "output=verbose",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.count("warm        2 nodes on fake, 4 chips, 2 sub-workers") == 1
    assert done.out.count("warm        2 nodes, 4 chips, 2 sub-workers") == 1
    with (done.folder / "sweep" / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 4


def test_the_name_of_a_topology_does_not_change_with_the_address_of_its_engine(inside):
    results = []
    for run, engine in (("a", "topology.engine.address=10.0.0.1:6379"), ("b", "topology.engine.kind=fake")):
        done = inside("+topology=cluster", engine, "stage=describe", f"hydra.run.dir={run}")
        assert done.code == 0, done.err
        results.append(json.loads((done.folder / run / "result.json").read_text())["topology"])
    assert results == ["cluster", "4 nodes on fake, 32 chips, 8 sub-workers"]


def test_the_build_for_a_cluster_needs_no_engine(inside):
    assert inside("+topology=cluster", "stage=build").code == 0


def test_a_topology_has_the_engine_of_its_config():
    engine = {"kind": "ray", "address": "head:6379", "lost_after": 3, "one_per_machine": False}
    more = {"labels": {"zone": "a", "rack": 4}, "token": "file", "tls": ["c", "k", "a"]}
    tree = parse_topology({**TWO_NODES, "engine": {**engine, **more}})
    assert tree.engine == Cluster(**engine, labels={"zone": "a", "rack": "4"}, token="file", tls=("c", "k", "a"))
    assert [child.engine.is_remote for child in tree.children] == [False, False]


def test_a_cluster_of_this_machine_alone_may_have_all_nodes_on_it():
    assert Cluster(kind="ray", address="local").shares_machines
    assert not Cluster(kind="ray", address="auto").shares_machines
    assert Cluster(kind="ray", one_per_machine=False).shares_machines


@pytest.mark.parametrize("address", ["10.0.0.1", "head:", ":6379", "head:0", "head:65536", "ray://head"])
def test_an_address_that_names_no_port_is_refused(address):
    with pytest.raises(ValueError, match="'auto', 'local' or 'host:port'"):
        Cluster(kind="ray", address=address)
