import gzip
import json
import signal
import subprocess
import sys

import pytest

from tests.contract.conftest import descendants, wait_until

ADD = """#include <callring/chip.h>
CALLRING_SIGNATURE({name}, CALLRING_IN, CALLRING_IN, CALLRING_OUT);
CALLRING_EXPORT int {name}(const callring_block *, const callring_args *args) {{ {body} return 0; }}
"""
BODIES = {
    "crash": "(void)args; *reinterpret_cast<volatile int *>(8) = 1;",
    "wrong": "static_cast<float *>(args->tensors[2].data)[0] = 1e9F;",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def pipeline(tmp_path, store):
    """Runs the command in a folder of its own; gives exit code, standard output, standard error, run directory."""

    def run(*arguments):
        out = tmp_path / "run"
        given = [*arguments, f"store.path={store}"]
        if "-m" not in arguments:
            given.append(f"hydra.run.dir={out}")
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *given],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr, out

    return run


@pytest.fixture
def user_configs(tmp_path):
    """A user's folder with callables that go wrong in one way each."""
    folder = tmp_path / "configs"
    (folder / "callable").mkdir(parents=True)
    for name, body in BODIES.items():
        (folder / f"{name}.cpp").write_text(ADD.format(name=name, body=body))
        (folder / "callable" / f"{name}.yaml").write_text(f"kind: chip\nsource: {name}.cpp\nsignature: [in, in, out]\n")
    (folder / "broken.cpp").write_text("int oops( {\n")
    for name, source, signature in (
        ("broken", "broken.cpp", "[in, in, out]"),
        ("missing", "missing.cpp", "[in, in, out]"),
        ("contradicting", "wrong.cpp", "[in, out]"),
        ("unknown_direction", "wrong.cpp", "[in, inn, out]"),
    ):
        (folder / "callable" / f"{name}.yaml").write_text(f"kind: chip\nsource: {source}\nsignature: {signature}\n")
    return folder


def test_the_main_job_is_verified_on_eight_chips_and_reported(pipeline):
    code, _, _, out = pipeline("+topology=chip8")
    assert code == 0
    result = json.loads((out / "result.json").read_text())
    assert result["status"] == "ok"
    assert (result["workload"], result["topology"], result["target"]) == ("mlp_digits", "chip8", "a2a3sim")
    assert result["verification"]["passed"]
    assert result["verification"]["figures"]["accuracy"] >= 0.95
    assert [set(c) for c in result["callables"]] == [{"name", "kind", "hashid", "target_namespace"}] * 2
    assert result["tasks"]["count"] == 225
    assert {"provenance", "stages"} <= result.keys()
    trace = json.loads(gzip.decompress((out / "trace.json.gz").read_bytes()))
    names = {e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert names == {"parent", *(f"chip {i}" for i in range(8))}


def test_a_second_run_builds_nothing(pipeline):
    pipeline("workload=vector_add")
    _, out, _, _ = pipeline("workload=vector_add")
    words = [line.split()[0] for line in out.splitlines()]
    assert "built" not in words
    assert words.count("cached") == 2


def test_a_node_classifies_in_its_sub_workers(pipeline):
    code, _, _, out = pipeline("+topology=node")
    assert code == 0
    result = json.loads((out / "result.json").read_text())
    assert result["verification"]["figures"]["classified_by"] == "sub-workers"
    assert [c["kind"] for c in result["callables"]] == ["CHIP_CALLABLE", "CHIP_CALLABLE", "PYTHON_SOURCE"]


def test_a_sweep_runs_every_point_and_one_that_fails_costs_only_itself(pipeline, tmp_path):
    code, _, err, _ = pipeline(
        "-m",
        "+topology=chip1,chip2",
        "workload=vector_add",
        "workload.size=100,-1",
        f"hydra.sweep.dir={tmp_path / 's'}",
    )
    assert code == 1
    assert "workload.size=-1" in err
    results = [json.loads(path.read_text()) for path in sorted((tmp_path / "s").glob("*/result.json"))]
    assert [result["status"] for result in results] == ["ok", "error", "ok", "error"]


def test_json_output_is_json_and_nothing_else(pipeline):
    code, out, _, _ = pipeline("workload=vector_add", "output=json")
    assert code == 0
    assert json.loads(out)["status"] == "ok"


def test_a_plan_changes_nothing(pipeline, tmp_path, store):
    before = sorted(tmp_path.rglob("*")), sorted(store.rglob("*"))
    code, out, _, _ = pipeline("stage=plan", "workload=matmul", "+topology=chip4")
    assert code == 0
    assert "4 chips" in out
    assert before == (sorted(tmp_path.rglob("*")), sorted(store.rglob("*")))


def test_a_changed_kernel_line_changes_exactly_its_own_hashid(pipeline, user_configs):
    def hashids():
        code, _, _, out = pipeline(
            "--config-dir",
            str(user_configs),
            "stage=build",
            "workload=mlp_digits",
            "callable@workload.callables.join=wrong",
        )
        assert code == 0
        return {c["name"]: c["hashid"] for c in json.loads((out / "result.json").read_text())["callables"]}

    before = hashids()
    source = user_configs / "wrong.cpp"
    source.write_text(source.read_text().replace("1e9F", "2e9F"))
    after = hashids()
    assert before["shard"] == after["shard"]
    assert before["join"] != after["join"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["topology=chip8"], ["+topology=chip8"], id="missing plus"),
        pytest.param(["+topology=chip9"], ["chip9", "did you mean chip8"], id="unknown topology"),
        pytest.param(["workload=vector_ad"], ["did you mean vector_add"], id="unknown workload"),
        pytest.param(["workload=vector_add", "workload.siez=3"], ["did you mean workload.size"], id="misspelt setting"),
        pytest.param(["topologgy.chips=1"], ["did you mean topology.chips"], id="misspelt key"),
        pytest.param(["+workload.bacth=3"], ["workload.bacth", "batch"], id="misspelt new setting"),
        pytest.param(["workload=vector_add", "workload.size=abc"], ["workload.size='abc'", "int"], id="wrong type"),
        pytest.param(["+topology=chip8", "topology.chips=x"], ["topology.chips", "integer"], id="wrong type in schema"),
        pytest.param(["topology.chips=0"], ["topology.chips=0", "at least 1"], id="zero chips"),
        pytest.param(["topology.chips=-3"], ["topology.chips=-3", "at least 1"], id="negative chips"),
        pytest.param(["topology.level=4"], ["topology.level=4"], id="chips at level 4"),
        pytest.param(["target=a2a3"], ["CANN", "a2a3sim"], id="a target without its toolkit"),
        pytest.param(["target.platform=zz"], ["zz", "a2a3sim"], id="unknown platform"),
        pytest.param(["workload.program=os:system"], ["os", "python_packages"], id="target outside the allow-list"),
        pytest.param(["workload.program=pipeline.none:X"], ["pipeline.none", "import"], id="target not importable"),
        pytest.param(["workload.program=pipeline.compare:Nope"], ["Nope"], id="target that is not there"),
    ],
)
def test_bad_input_is_one_clear_error(pipeline, arguments, words):
    code, _, err, _ = pipeline(*arguments)
    assert code == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("callable_", "code", "words"),
    [
        ("missing", 1, ["missing.cpp", "does not exist"]),
        ("unknown_direction", 1, ["'inn'", "scalar, in, out, inout"]),
        ("broken", 3, ["broken.cpp:1", "error:"]),
        ("contradicting", 3, ["wrong", "[in, out]", "[in, in, out]"]),
        ("wrong", 4, ["elements differ", "worst", "1000000000"]),
        ("crash", 5, ["crash", "sha256:", "chip", "SIGSEGV"]),
    ],
)
def test_a_callable_that_goes_wrong_has_its_exit_code_and_words(pipeline, user_configs, callable_, code, words):
    outcome, out, err, folder = pipeline(
        "--config-dir",
        str(user_configs),
        "+topology=chip2",
        "workload=vector_add",
        f"callable@workload.callables.add={callable_}",
    )
    assert outcome == code
    for word in words:
        assert word in out + err
    assert json.loads((folder / "result.json").read_text())["exit_code"] == code


def test_an_interrupt_ends_a_run_with_130_and_leaves_no_process(tmp_path, store):
    command = [sys.executable, "-m", "pipeline", "+topology=node", "workload.repeat=100000", f"store.path={store}"]
    before = descendants()
    run = subprocess.Popen(
        [*command, f"hydra.run.dir={tmp_path / 'run'}"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    with run:
        for line in run.stdout:
            if line.startswith("executed"):
                break
        assert len(descendants() - before) >= 11
        run.send_signal(signal.SIGINT)
        run.stdout.read()
        assert run.wait(timeout=30) == 130
    assert wait_until(lambda: not descendants() - before)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "interrupted"
