"""Virtual time in the pipeline: the same with a run, before it and without it, and separate from measurements."""

import csv
import gzip
import json
import re
import sys
import xml.etree.ElementTree as ET

import pytest

from pipeline.sweep.curves import charts_of
from pipeline.sweep.points import Point
from runtime import ArgDirection, ChipModel, TaskCost, Worker
from runtime.toolchain import build_chip_callable

from .conftest import PROJECT

ADD = ("workload=vector_add", "workload.size=4096", "+chip_model=example")
TIME = 2000 + 1000 + 12 * 4096 / 4 // 100 + 1
"""Nanoseconds of a task on one of four chips: latency, dispatch, and 12 bytes per element at 100 GB/s, rounded up."""


def document(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_virtual_time_of_hundreds_of_chips_needs_no_process(inside):
    many = ("+topology=chip8", "topology.chips=256", "stage=model", "output=json", "hydra.run.dir=out")
    result = document(inside(*ADD, *many))
    virtual = result["virtual"]
    assert (virtual["chips"], virtual["tasks"], result["tasks"]["count"]) == (256, 256, 0)
    assert virtual["makespan_ns"] == 256 * 1000 + 2000 + 2
    assert result["measurements"]["run_seconds"] == []
    assert "start" not in [stage["name"] for stage in result["stages"]]
    assert document(inside(*ADD, *many))["virtual"] == virtual


def test_a_run_has_virtual_time_beside_its_measurements(inside):
    chips = ("+topology=chip4", "output=json", "hydra.run.dir=out")
    done = inside(*ADD, *chips)
    result = document(done)
    assert result["verification"]["passed"]
    assert result["virtual"] == document(inside(*ADD, *chips, "stage=model", "hydra.run.dir=model"))["virtual"]
    assert result["virtual"] == document(inside(*ADD, *chips, "stage=plan"))["virtual"]
    assert result["virtual"]["critical_path_ns"] == TIME
    assert result["virtual"]["makespan_ns"] == TIME + 3 * 1000
    assert result["virtual"]["callables"]["add"]["tasks"] == result["tasks"]["count"] == 4
    trace = json.loads(gzip.decompress((done.folder / "out" / "virtual_trace.json.gz").read_bytes()))
    assert trace["otherData"]["clock"] == "virtual"
    spans = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert [span["ts"] + span["dur"] for span in spans] == [(TIME + i * 1000) / 1000 for i in range(4)]
    assert "Virtual time, on modelled chips" in (done.folder / "out" / "report.html").read_text()


def test_without_a_chip_model_there_is_no_virtual_time(inside):
    done = inside(*ADD[:2], "stage=describe", "output=json", "hydra.run.dir=out")
    assert document(done)["virtual"] is None
    assert not (done.folder / "out" / "virtual_trace.json.gz").exists()


def test_costs_and_blocks_change_virtual_time(inside):
    def cost(*more):
        given = ("+chip_model.costs.add.core_ns=2400", *more, "stage=model", "output=json")
        return document(inside(*ADD, *given))["virtual"]["callables"]["add"]["work_ns"]

    alone = document(inside(*ADD, "stage=model", "output=json"))["virtual"]["callables"]["add"]["work_ns"]
    assert cost() == alone + 2400 // 24
    assert cost("chip_model.cores=1") == alone + 2400
    assert cost("+chip_model.costs.add.core_ns_per_byte=0.5") == alone + (2400 + 12 * 4096 // 2) // 24


def test_python_callables_take_their_declared_cost(inside):
    given = ("+topology=node", "+chip_model=example", "stage=model", "output=json")
    virtual = document(inside(*given, "+chip_model.costs.classify={core_ns: 500}"))["virtual"]
    classified = virtual["callables"]["classify"]
    assert classified["work_ns"] == 500 * classified["tasks"] > 0


ORCHESTRATION = """
from runtime import CallConfig, Tag, TaskArgs

def orchestrate(o, tensors, handles, context):
    x = tensors["x"]
    parts = [TaskArgs((x[i::2], Tag.INPUT), (x[i::2], Tag.NO_DEP), (o.alloc(50), Tag.OUTPUT)) for i in range(2)]
    o.submit_next_level_group(handles["add"], parts, CallConfig(block_count=2), workers=[1, 0])
    with o.scope():
        between = o.alloc(100)
        whole = TaskArgs((x, Tag.INPUT), (x, Tag.NO_DEP), (between, Tag.OUTPUT))
        for _ in range(3):
            o.submit_next_level(handles["add"], whole, worker=1)
    last = o.submit_sub(handles["classify"], TaskArgs((between, Tag.INOUT)))
    o.submit_sub_group(handles["classify"], [None, TaskArgs((x, Tag.INPUT))], after=[last])
"""


@pytest.fixture
def orchestrated(inside, tmp_path):
    """Runs a workload that only has an orchestration function."""

    def run(source, *arguments):
        (tmp_path / "submits.py").write_text(source)
        (tmp_path / "workload").mkdir(exist_ok=True)
        (tmp_path / "workload" / "submits.yaml").write_text(
            "defaults:\n  - /callable@callables.add: vector_add\n  - /callable@callables.classify: classify\n"
            "name: submits\norchestration: submits:orchestrate\n"
            "tensors: {x: {shape: [100], dtype: float32, fill: zeros}}\n"
        )
        (tmp_path / "topology").mkdir(exist_ok=True)
        (tmp_path / "topology" / "two.yaml").write_text("name: two\nlevel: 3\nchips: 2\nsub_workers: 2\n")
        mine = ("--config-dir", str(tmp_path), "workload=submits", "python_packages=[pipeline,submits]")
        return inside(*mine, "+topology=two", "+chip_model=example", *arguments)

    yield run
    sys.modules.pop("submits", None)


def test_an_orchestration_has_the_virtual_time_of_its_graph_in_the_library(orchestrated):
    costs = ("+chip_model.costs.classify={core_ns: 700}", "+chip_model.costs.add={core_ns_per_byte: 9}")
    virtual = document(orchestrated(ORCHESTRATION, *costs, "stage=model", "output=json"))["virtual"]
    import submits

    with Worker(chips=2, sub_workers=2) as worker:
        built = build_chip_callable(
            PROJECT / "pipeline" / "kernels" / "vector_add.cpp",
            signature=[ArgDirection.IN, ArgDirection.IN, ArgDirection.OUT],
            platform="a2a3sim",
        )
        handles = {"add": worker.register(built), "classify": worker.register(len)}
        x = worker.zeros(100)
        graph = worker.capture(lambda o: submits.orchestrate(o, {"x": x}, handles, None))
        model = ChipModel(latency_ns=2000, bandwidth=100e9, cores=24)
        taken = {handles["classify"]: TaskCost(core_ns=700), handles["add"]: TaskCost(core_ns_per_byte=9)}
        time = graph.virtual_time(model, costs=taken, dispatch_ns=1000)
    assert (virtual["tasks"], virtual["edges"]) == (len(graph), graph.edges) == (6, 4)
    for name in ("makespan_ns", "critical_path_ns", "one_by_one_ns"):
        assert virtual[name] == getattr(time, name)
    assert sum(figures["work_ns"] for figures in virtual["callables"].values()) == sum(time.busy_ns.values())


def test_an_orchestration_that_waits_for_results_has_no_virtual_time(orchestrated):
    waits = "def orchestrate(o, tensors, handles, context):\n    o.submit_sub(handles['classify']).result()\n"
    done = orchestrated(waits, "+chip_model.costs.classify={core_ns: 700}", "stage=model")
    assert done.code == 1
    assert "its graph is known only when it runs" in done.err


def test_a_sweep_keeps_virtual_time_separate(inside):
    swept = ("+topology=chip1,chip2,chip4", "workload=vector_add", "workload.size=4096", "hydra.sweep.dir=sweep")
    done = inside("-m", *swept, "+chip_model=example")
    assert done.code == 0, done.err
    rows = list(csv.DictReader((done.folder / "sweep" / "results.csv").read_text().splitlines()))
    assert [row["virtual_makespan_ns"] for row in rows] == ["3492", "4246", str(int(TIME) + 3000)]
    measured, apart = done.out.split("virtual time, computed on modelled chips:")
    assert "virtual" not in measured.rpartition("job  topology")[2]
    assert "fastest" not in apart
    page = (done.folder / "sweep" / "sweep.html").read_text()
    for title in ("Time over topology", "Virtual time (modelled chips) over topology"):
        assert f'"title":"{title}"' in page
    (row, *_) = json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])["points"]
    assert row["virtual"][:2] == ["example", 3492]


@pytest.mark.parametrize("measured", [True, False])
def test_a_chart_shows_measured_or_virtual_time_and_never_both(measured):
    points = []
    for chips in (1, 2):
        point = Point((f"topology.chips={chips}",), number=chips)
        point.result = {
            "exit_code": 0,
            "workload": "sums",
            "configuration": {"topology": {"chips": chips}},
            "measurements": {"run_seconds": [1.0 / chips]},
            "virtual": {"makespan_ns": 8000 // chips},
        }
        point.run_seconds = (1.0 / chips,) * 3 if measured else None
        points.append(point)
    charts = {chart["title"]: chart["svg"] for chart in charts_of(points, ["topology.chips"])}
    virtual = [f"Virtual {name} (modelled chips)" for name in ("time", "speed-up")]
    names = [*(["Time", "Speed-up"] if measured else []), *virtual]
    assert list(charts) == [f"{name} over topology.chips" for name in names]
    drawn = ET.fromstring(charts[f"{virtual[0]} over topology.chips"])
    words = [circle.findtext("title") for circle in drawn.findall("circle")]
    assert words == ["topology.chips=1: 8.00 µs", "topology.chips=2: 4.00 µs"]
