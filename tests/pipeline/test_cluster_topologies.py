"""A topology whose nodes an engine hosts: the same workloads run and agree with those of a topology of this machine."""

import csv
import gzip
import importlib.util
import json

import pytest

from pipeline.admin.engine import security_of
from pipeline.config.topology import parse_topology
from pipeline.plan.machines import planned_machines
from pipeline.plan.text import machines_words
from runtime.errors import StartError
from runtime.hosting import Cluster
from runtime.hosting.look import machines_of

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


@pytest.fixture
def planted_ray(tmp_path, monkeypatch):
    """An empty package that counts as an installed Ray."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").touch()
    (tmp_path / "ray-2.60.0.dist-info").mkdir()
    (tmp_path / "ray-2.60.0.dist-info" / "METADATA").write_text("Name: ray\nVersion: 2.60.0\n")
    monkeypatch.syspath_prepend(tmp_path)


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
    assert not [name for result in results for name in result["tasks"]["callables"] if name.startswith("sha256:")]


def test_results_trace_and_report_name_the_machine_of_each_node(inside):
    done = inside(*HOSTED, "hydra.run.dir=run")
    assert done.code == 0, done.err
    engine = json.loads((done.folder / "run" / "result.json").read_text())["engine"]
    assert (engine["kind"], engine["address"], engine["versions"]) == ("fake", "auto", {"engine": "fake"})
    assert {host["node"] for host in engine["hosts"]} == {0, 1}
    assert len({host["machine"] for host in engine["hosts"]}) == 2
    for host in engine["hosts"]:
        assert host["clock_bound_seconds"] > 0
        assert (host["sent_bytes"] > 4_000_000, host["received_bytes"] > 2_000_000) == (True, True)
        assert host["facts"]["Python"]
    trace = json.loads(gzip.decompress((done.folder / "run" / "trace.json.gz").read_bytes()))["traceEvents"]
    process = {event["pid"]: event["args"]["name"] for event in trace if event["name"] == "process_name"}
    labels = {process[event["pid"]]: event["args"]["labels"] for event in trace if event["name"] == "process_labels"}
    assert labels == {f"node {host['node']}": host["machine"] for host in engine["hosts"]}
    page = (done.folder / "run" / "report.html").read_text()
    assert all(f'"machine":"{host["machine"]}"' in page.replace(" ", "") for host in engine["hosts"])


def test_a_run_on_this_machine_has_no_engine(inside):
    assert inside(*HERE, "hydra.run.dir=run").code == 0
    done = inside(*HERE, "hydra.run.dir=run")
    assert json.loads((done.folder / "run" / "result.json").read_text())["engine"] is None


@pytest.mark.parametrize(("nodes", "words"), [(4, "fake-3)"), (6, "fake-3), 2 too few")])
def test_a_plan_says_which_machines_there_are_and_how_many_are_wanted(inside, nodes, words):
    done = inside("+topology=cluster", "topology.engine.kind=fake", f"topology.children.0.count={nodes}", "stage=plan")
    assert done.code == 0, done.err
    (line,) = [line for line in done.out.splitlines() if line.startswith("would use")]
    assert line.startswith(f"would use   {nodes} machines of fake at auto; found 4 (fake-0, ")
    assert line.endswith(words)


def test_a_plan_counts_only_machines_with_the_wanted_labels(inside):
    labels = "+topology.engine.labels.number=2"
    done = inside("+topology=cluster", "topology.engine.kind=fake", labels, "stage=plan", "output=json")
    machines = json.loads(done.out)["machines"]
    assert (machines["wanted"], machines["found"]) == (4, ["fake-2"])


def test_a_plan_of_a_topology_of_this_machine_names_no_machines(inside):
    assert json.loads(inside(*HERE, "stage=plan", "output=json").out)["machines"] is None


def test_a_plan_for_an_engine_that_is_not_installed_says_how_to_install_it(inside):
    if importlib.util.find_spec("ray"):
        pytest.skip("ray is installed")
    done = inside("+topology=cluster", "stage=plan")
    assert done.code == 0, done.err
    wanted = "would use   4 machines of ray at auto; not known which there are: nodes on Ray need the package ray: "
    assert f"{wanted}pip install 'callring[ray]'" in done.out


def test_a_folder_that_is_called_ray_is_not_the_engine(command):
    if importlib.util.find_spec("ray"):
        pytest.skip("ray is installed")
    (command.folder / "ray").mkdir()
    done = command("+topology=cluster")
    assert done.code == 1
    assert "topology.engine.kind=ray: nodes on Ray need the package ray: pip install" in done.err


def test_a_plan_for_ray_on_this_machine_starts_none():
    one = planned_machines(parse_topology({**TWO_NODES, "engine": {"kind": "ray", "address": "local"}}))
    assert (one.wanted, one.found) == (1, None)
    if importlib.util.find_spec("ray"):
        assert machines_words(one) == "1 machine of ray at local; the run starts ray on this machine"


def test_the_doctor_checks_the_engine_of_the_topology(inside):
    done = inside("+topology=cluster", "topology.engine.kind=fake", "stage=doctor", "output=json")
    found = {each["name"]: each for each in json.loads(done.out) if each["area"] == "engine"}
    assert found["machines"]["state"] == "ok"
    assert found["machines"]["found"].endswith("found 4 (fake-0, fake-1, fake-2, fake-3)")
    assert not [each for each in json.loads(inside("stage=doctor", "output=json").out) if each["area"] == "engine"]


def test_the_doctor_warns_about_too_few_machines(inside):
    engine = ("topology.engine.kind=fake", "topology.children.0.count=6")
    done = inside("+topology=cluster", *engine, "stage=doctor", "output=json")
    (found,) = (each for each in json.loads(done.out) if each["name"] == "machines")
    assert (found["state"], "2 too few" in found["found"]) == ("warning", True)


def test_the_doctor_says_how_to_install_the_engine(inside):
    if importlib.util.find_spec("ray"):
        pytest.skip("ray is installed")
    done = inside("+topology=cluster", "stage=doctor", "output=json")
    assert done.code == 1
    (found,) = (each for each in json.loads(done.out) if each["area"] == "engine")
    assert (found["state"], found["mend"]) == ("missing", "pip install 'callring[ray]', on every machine")


@pytest.mark.parametrize(
    ("mode", "engine", "state", "words"),
    [
        (0o600, {"token": "token"}, "ok", "token, no TLS"),
        (0o644, {"token": "token"}, "warning", "other users may read"),
        (0o600, {"token": "nothing"}, "missing", "cannot be read: "),
        (0o600, {}, "warning", "no token, no TLS"),
        (0o600, {"address": "local"}, "ok", "no token, no TLS"),
    ],
)
def test_the_doctor_checks_the_files_of_the_security_mode(tmp_path, mode, engine, state, words):
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(mode)
    if "token" in engine:
        engine = {"token": str(tmp_path / engine["token"])}
    (found,) = security_of(Cluster(kind="ray", **engine))
    assert (found.state, words in found.found) == (state, True), found


@pytest.mark.parametrize("stage", ["start", "report"])
def test_a_head_that_accepts_no_connection_is_named_before_anything_is_built(inside, planted_ray, stage):
    done = inside("+topology=cluster", "topology.engine.address=127.0.0.1:1", f"stage={stage}")
    assert done.code == 1
    assert "built" not in done.out + done.err
    assert "cached" not in done.out
    why = "topology.engine.address=127.0.0.1:1: no Ray head answers at 127.0.0.1:1: Connection refused; "
    assert f"error: {why}start a cluster with `ray start --head`, or use topology.engine.address=local" in done.err


def test_a_plan_and_the_doctor_name_a_head_that_accepts_no_connection(inside, planted_ray):
    engine = ("+topology=cluster", "topology.engine.address=127.0.0.1:1")
    planned = inside(*engine, "stage=plan")
    assert planned.code == 0
    words = "not known which there are: topology.engine.address=127.0.0.1:1: no Ray head answers at 127.0.0.1:1: "
    assert words in planned.out
    findings = json.loads(inside(*engine, "stage=doctor", "output=json").out)
    (found,) = (each for each in findings if (each["area"], each["name"]) == ("engine", "address"))
    assert found["state"] == "missing"
    assert found["found"] == "no Ray head answers at 127.0.0.1:1: Connection refused"
    assert found["mend"].endswith("or topology.engine.address=local")


def test_the_machines_of_an_engine_that_does_not_answer_are_not_known():
    with pytest.raises(StartError, match=r"the engine at auto does not answer: no power"):
        machines_of(Cluster(kind="fake", faults={"unreachable": "no power"}))


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
