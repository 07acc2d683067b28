"""A run writes a result, a trace and a log; a second one builds nothing; a plan changes nothing."""

import gzip
import json
import shutil
import time
from pathlib import Path

import pytest

from pipeline.common.counts import duration
from pipeline.report import trace as trace_module
from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import CoreSpan, TaskSpan, Trace
from tests.report.test_page import data_of

from .conftest import FIXTURES, PROJECT, Command

SMALL = ("workload=vector_add", "workload.size=4096")


def result_of(done, folder="run"):
    assert done.code == 0, done.err
    return json.loads((done.folder / folder / "result.json").read_text())


def words_of(result, stage):
    (actions,) = [done["actions"] for done in result["stages"] if done["name"] == stage]
    return {action["name"]: action["word"] for action in actions}


def hashids_of(result):
    return {entry["name"]: entry["hashid"] for entry in result["callables"]}


def contents_of(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_run_writes_its_result_its_trace_and_its_log(command):
    done = command("+topology=chip2", *SMALL, "hydra.run.dir=run")
    result = result_of(done)
    assert {"status", "workload", "topology", "target", "callables", "stages", "tasks", "verification"} <= result.keys()
    assert result["provenance"]
    assert (result["status"], result["workload"], result["topology"], result["target"]) == (
        "ok",
        "vector_add",
        "chip2",
        "a2a3sim",
    )
    assert result["verification"]["passed"]
    assert result["tasks"]["count"] == 2
    (entry,) = result["callables"]
    assert (entry["name"], entry["kind"], entry["target_namespace"]) == ("add", "CHIP_CALLABLE", "LOCAL_CHIP")
    assert entry["hashid"].startswith("sha256:")
    names = [stage["name"] for stage in result["stages"]]
    assert names == ["describe", "build", "load", "start", "register", "execute", "verify", "report"]
    events = json.loads(gzip.decompress((done.folder / "run" / "trace.json.gz").read_bytes()))["traceEvents"]
    assert [event for event in events if event["ph"] == "X"]
    page = data_of((done.folder / "run" / "report.html").read_text())
    assert page["result"] == result
    assert page["timeline"]["total_tasks"] == 2
    log = (done.folder / "run" / "run.log").read_text()
    assert "registered  add" in log
    assert done.out == log
    assert done.err == ""


def test_the_main_job_is_verified_on_eight_chips(command):
    done = command("+topology=chip8", "hydra.run.dir=run")
    result = result_of(done)
    assert (result["workload"], result["topology"], result["target"]) == ("mlp_digits", "chip8", "a2a3sim")
    assert result["verification"]["figures"]["accuracy"] >= 0.95
    assert result["tasks"]["count"] == 225
    trace = json.loads(gzip.decompress((done.folder / "run" / "trace.json.gz").read_bytes()))
    names = {e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert names == {"parent", *(f"chip {i}" for i in range(8))}


def test_a_node_registers_the_python_callables_too(command):
    result = result_of(command("+topology=node", "hydra.run.dir=run"))
    kinds = {entry["name"]: entry["target_namespace"] for entry in result["callables"]}
    assert result["verification"]["figures"]["classified_by"] == "sub-workers"
    assert kinds == {"shard": "LOCAL_CHIP", "join": "LOCAL_CHIP", "classify": "LOCAL_PYTHON"}


def test_a_second_run_builds_nothing(command_with_own_store):
    command = command_with_own_store
    first = result_of(command(*SMALL, "hydra.run.dir=first"), "first")
    second = result_of(command(*SMALL, "hydra.run.dir=second"), "second")
    assert words_of(first, "build")["add"] == "built"
    assert "built" not in words_of(second, "build").values()
    assert words_of(second, "build")["core (release)"] == "cached"
    assert hashids_of(first) == hashids_of(second)


def test_a_damaged_callable_in_the_store_is_built_again(command_with_own_store, tmp_path):
    command = command_with_own_store
    first = result_of(command(*SMALL, "hydra.run.dir=first"), "first")
    (blob,) = (tmp_path / "store" / "callables").glob("*/callable.blob")
    blob.write_bytes(b"damaged")
    second = result_of(command(*SMALL, "hydra.run.dir=second"), "second")
    assert words_of(second, "build")["add"] == "built"
    assert hashids_of(first) == hashids_of(second)


def test_a_plan_says_what_would_happen_and_changes_nothing(command_with_own_store, tmp_path):
    before = contents_of(tmp_path)
    done = command_with_own_store("stage=plan", "+topology=chip8", *SMALL)
    assert done.code == 0
    assert "would build add" in done.out
    assert "8 chips" in done.out
    assert contents_of(tmp_path) == before


def test_a_sweep_of_plans_changes_nothing_either(command_with_own_store, tmp_path):
    before = contents_of(tmp_path)
    assert command_with_own_store("-m", "stage=plan", "+topology=chip1,chip2", *SMALL).code == 0
    assert contents_of(tmp_path) == before


def test_a_quiet_run_prints_nothing_and_a_verbose_one_whole_hashes_and_the_files_that_it_wrote(command):
    quiet = command("workload=vector_add", "workload.size=100", "output=quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    verbose = command("workload=vector_add", "workload.size=100", "output=verbose", "hydra.run.dir=run")
    assert verbose.code == 0, verbose.err
    hashid = json.loads((verbose.folder / "run" / "result.json").read_text())["callables"][0]["hashid"]
    assert hashid.removeprefix("sha256:") in verbose.out
    wrote = [line.split()[1] for line in verbose.out.splitlines() if line.startswith("wrote")]
    assert {Path(name).name for name in wrote} >= {"result.json", "report.html", "trace.json.gz", "run.log"}


def test_json_output_is_only_the_result(command):
    done = command(*SMALL, "output=json", "hydra.run.dir=run")
    assert json.loads(done.out) == result_of(done)
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "1 chip"),
        (["+topology=chip2"], "chip2"),
        (["+topology=chip8", "topology.chips=2"], "2 chips"),
        (["+topology=node", "topology.chips=1", "topology.sub_workers=1"], "1 chip, 1 sub-worker"),
        (["+topology=chip2", "topology.chips=1", "topology.name=mine"], "mine"),
        (["+chip_model=example", "stage=model", "topology.chips=256"], "256 chips"),
        (["topology.chips=-1"], "topology.chips=-1"),
    ],
)
def test_the_last_line_names_the_topology_of_the_run(inside, arguments, said):
    done = inside(*SMALL, *arguments, "hydra.run.dir=run")
    assert json.loads((done.folder / "run" / "result.json").read_text())["topology"] == said
    assert "stage=model" in arguments or f"vector_add on {said} (a2a3sim, release)" in done.out
    planned = inside(*SMALL, *arguments, "stage=plan")
    assert planned.code or f"would run   vector_add on {said} for" in planned.out


def test_a_sweep_over_four_topologies_runs_four_jobs(command):
    done = command("-m", "+topology=chip1,chip2,chip4,chip8", *SMALL, "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    results = [result_of(done, f"sweep/{job}") for job in range(4)]
    assert [result["topology"] for result in results] == ["chip1", "chip2", "chip4", "chip8"]
    assert [result["tasks"]["count"] for result in results] == [1, 2, 4, 8]
    assert len({str(hashids_of(result)) for result in results}) == 1


def test_runs_that_start_at_the_same_time_have_separate_directories(command):
    processes = [command.start(*SMALL, "stage=describe") for _ in range(3)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(list((command.folder / "outputs").glob("*/*/result.json"))) == 3


def test_a_changed_line_of_a_kernel_changes_exactly_its_own_hashid(tmp_path, session_store):
    hashids = []
    for place in ("original", "copy", "changed"):
        (tmp_path / place).mkdir()
        shutil.copytree(PROJECT / "conf" / "callable", tmp_path / place / "conf" / "callable")
        shutil.copytree(PROJECT / "pipeline" / "kernels", tmp_path / place / "pipeline" / "kernels")
        kernel = tmp_path / place / "pipeline" / "kernels" / "join_partials.cpp"
        if place == "changed":
            kernel.write_text(kernel.read_text().replace("return 1;", "return 101;"))
        command = Command(tmp_path / place, session_store)
        sources = [
            f"workload.callables.join.source={kernel}",
            f"workload.callables.shard.source={kernel.with_name('mlp_shard.cpp')}",
        ]
        hashids.append(hashids_of(result_of(command(*sources, "stage=build", "hydra.run.dir=run"))))
    original, copy, changed = hashids
    assert original == copy
    assert original["shard"] == changed["shard"]
    assert original["join"] != changed["join"]


def test_config_dir_adds_a_users_own_configs_and_kernels(command):
    done = command(
        "--config-dir",
        str(FIXTURES / "conf"),
        *SMALL,
        "callable@workload.callables.add=refuses",
        "stage=register",
        "hydra.run.dir=run",
    )
    assert words_of(result_of(done), "register")["add"] == "registered"


def test_the_report_is_a_stage_and_the_last_line_has_the_wall_time(inside):
    begin = time.monotonic()
    done = inside(*SMALL, "+topology=chip1", "hydra.run.dir=run")
    whole = time.monotonic() - begin
    result = result_of(done)
    assert result["stages"][-1]["name"] == "report"
    assert words_of(result, "report") == {"run/report.html": "reported"}
    # Including the time between the stages: ending the workers, taking the trace.
    assert sum(stage["seconds"] for stage in result["stages"]) <= result["seconds"] <= whole
    ended, reported = done.out.splitlines()[-2:]
    assert ended.endswith(f"1 task in {duration(result['seconds'])}")
    assert reported.split()[:2] == ["reported", "run/report.html"]


def test_the_trace_of_many_tasks_is_text_from_the_start(monkeypatch):
    tasks = [TaskSpan(1, i, "sha256:a", "chip", 0, i, i, i, i, i, [], "done") for i in range(1000)]
    spans = [CoreSpan(0, 1, i, 0, 0, i, i) for i in range(1000)]
    chip = ChildInfo("chip", 0, 21, 1, "ready", 1, "", {})
    encoded = []
    encode = trace_module._json
    monkeypatch.setattr(trace_module, "_json", lambda value: encoded.append(value) or encode(value))
    document = json.loads(trace_module.chrome_trace(Trace(tasks, spans, children=[chip]), 11, {}, {}))
    assert len(document["traceEvents"]) > 9 * 1000
    # Only the tracks' names, the general data and each name of tasks once are objects.
    assert len(encoded) < 50


def test_a_callable_that_declares_its_work_has_rates_in_the_report(command):
    folder = command.folder / "configs" / "callable"
    folder.mkdir(parents=True)
    shipped = (PROJECT / "conf" / "callable" / "vector_add.yaml").read_text()
    work = "flop: ${callring.product:0.5,${workload.size}}\nbytes: 8192\n"
    (folder / "counted.yaml").write_text(shipped + work)
    adds = ("workload=vector_add", "workload.size=4096", "callable@workload.callables.add=counted")
    done = command("--config-dir", "configs", *adds, "hydra.run.dir=run")
    assert done.code == 0, done.err
    (row,) = data_of((done.folder / "run" / "report.html").read_text())["rates"]["rows"]
    assert (row["flop"], row["bytes"], row["intensity"]) == (2048.0, 8192.0, 0.25)
    wrong = command("--config-dir", "configs", *adds, "workload.callables.add.flop=-1")
    assert wrong.code == 1
    assert "workload.callables.add.flop=-1: a number from 0" in wrong.err
