"""The stages that maintain an installation (doctor, prune and schema), and the store of runs that are killed."""

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from pipeline.admin.prune import prune
from pipeline.building.store import Store
from pipeline.config.schema import Config
from runtime import WorkerOptions
from tests.soak.store import soak

from .conftest import FIXTURES

DAY = 86400


@pytest.fixture
def filled(tmp_path):
    """A store with three entries of 1000 bytes, used 1, 2 and 40 days ago, and the files of a dead run."""
    store = Store(tmp_path / "store", "callables")
    for key, days in (("a" * 64, 1), ("b" * 64, 2), ("c" * 64, 40)):
        entry = store.put(key, lambda folder: (folder / "file").write_bytes(bytes(1000)) and None, {"name": key[0]})
        then = time.time() - days * DAY
        os.utime(entry / "manifest.json", (then, then))
    (tmp_path / "store" / "callables" / f".building-{'d' * 64}").mkdir()
    return tmp_path / "store"


def left(root):
    return [entry.key[0] for entry in Store(root, "callables").entries()]


def test_prune_removes_entries_that_were_not_used_for_long_and_files_of_dead_runs(filled):
    done = prune(filled, max_age_days=30, max_bytes=10**9)
    assert left(filled) == ["a", "b"]
    assert done.swept == 1
    assert not list((filled / "callables").glob(".*"))


def test_prune_removes_the_least_recently_used_until_it_fits(filled):
    assert prune(filled, max_age_days=100, max_bytes=2000).left == 1
    assert left(filled) == ["a"]


def test_prune_leaves_an_entry_that_a_run_holds(filled):
    with Store(filled, "callables").hold("c" * 64) as held:
        assert held is not None
        assert [entry.key[0] for entry in prune(filled, 30, 10**9).in_use] == ["c"]
    prune(filled, 30, 10**9)
    assert left(filled) == ["a", "b"]


def test_using_an_entry_updates_its_age(filled):
    Store(filled, "callables").mark_used("c" * 64)
    prune(filled, 30, 10**9)
    assert left(filled) == ["a", "b", "c"]


def test_the_stage_prune_reports_its_removals(inside, filled):
    done = inside("stage=prune", f"store.path={filled}", "output=json")
    assert done.code == 0, done.err
    assert [entry["key"][0] for entry in json.loads(done.out)["removed"]] == ["c"]
    assert inside("stage=prune", "store.max_age_days=-1").code == 1
    assert list(done.folder.iterdir()) == []


def test_doctor_finds_this_machine_fit_and_names_a_damaged_entry(inside, filled):
    done = inside("stage=doctor", f"store.path={filled}", "output=json")
    assert done.code == 0, done.out
    findings = {finding["name"]: finding for finding in json.loads(done.out)}
    for name in ("python", "g++", "memfd sealing", "pidfd", "futex", "health"):
        assert findings[name]["state"] == "ok", findings[name]
    (filled / "callables" / ("a" * 64) / "file").write_bytes(b"")
    done = inside("stage=doctor", f"store.path={filled}")
    assert "1 damaged: aaaaaaaa" in done.out
    assert f"mend: rm -r {filled}" in done.out


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("apt-get", "apt-get install g++"),
        ("dnf", "dnf install gcc-c++"),
        ("brew", "brew install gcc"),
        (None, "apt-get install g++ or dnf install gcc-c++ or brew install gcc"),
    ],
)
def test_doctor_shows_how_to_install_a_compiler_with_the_machines_tool(inside, tmp_path, monkeypatch, tool, line):
    if tool:
        (tmp_path / tool).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    done = inside("stage=doctor")
    assert done.code == 1
    assert f"mend: {line}\n" in done.out


def test_the_schema_is_yaml_with_every_key_and_its_default(inside):
    done = inside("stage=schema")
    assert done.code == 0, done.err
    document = yaml.safe_load(done.out)
    assert document["topology"]["chips"] == Config().topology.chips
    assert document["store"]["max_age_days"] == 30.0
    assert document["lock"] == "off"


def described_keys(schema, prefix=""):
    """The dotted keys of a JSON schema with their descriptions."""
    for key, inner in schema.get("properties", {}).items():
        yield f"{prefix}{key}", inner.get("description", inner.get("$ref", ""))
        yield from described_keys(inner, f"{prefix}{key}.")
    for choice in schema.get("anyOf", ()):
        yield from described_keys(choice, prefix)


def test_every_key_of_the_schema_has_a_description(inside):
    document = json.loads(inside("stage=schema", "output=json").out)
    keys = dict(described_keys(document))
    for name, definition in document["$defs"].items():
        keys |= dict(described_keys(definition, f"{name}."))
    assert {"worker.control_timeout", "topology.chips", "chip_model.latency_ns", "callable.target"} <= set(keys)
    assert [key for key, said in keys.items() if not said] == []


def test_options_of_a_worker_have_the_descriptions_and_the_defaults_of_the_worker(inside):
    worker = json.loads(inside("stage=schema", "output=json").out)["properties"]["worker"]["properties"]
    assert worker["control_timeout"]["description"].startswith("Seconds within which a child must answer")
    assert worker["control_timeout"]["default"] == WorkerOptions().control_timeout


def test_every_config_of_callring_satisfies_the_schema_for_editors(inside):
    jsonschema = pytest.importorskip("jsonschema", reason="validates the schema if it is installed")
    document = json.loads(inside("stage=schema", "output=json").out)
    jsonschema.Draft202012Validator.check_schema(document)
    conf = Path(__file__).resolve().parents[2] / "conf"
    for group in ("callable", "topology", "workload"):
        validator = jsonschema.Draft202012Validator({**document["$defs"][group], "$defs": document["$defs"]})
        for file in (conf / group).glob("*.yaml"):
            validator.validate(yaml.safe_load(file.read_text()))
    mistakes = ({"tensors": {"a": {"shap": [1]}}}, {"tasks": [{"callable": "a", "args": [{"inn": "a"}]}]}, {"sise": 1})
    assert [mistake for mistake in mistakes if validator.is_valid(mistake)] == []


def test_runs_that_are_killed_while_they_build_leave_a_valid_store(tmp_path):
    figures = soak(tmp_path, runs=8, at_once=4, longest=2.0, seed=1)
    assert figures.complaints == []
    assert figures.runs == 8


def test_the_help_of_the_command_shows_the_first_commands(inside):
    done = inside("--help")
    assert done.code == 0, done.err
    words = ("+topology=chip8", "stage=plan", "stage=doctor", "workload: matmul, mlp_digits, ", "vector_add", "130")
    for word in words:
        assert word in done.out
    assert 'eval "$(callring --shell-completion install=bash)"' in done.out


def test_a_shell_completes_options_and_keys(inside, monkeypatch):
    def completions(line):
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        return inside("--shell-completion", "query=bash").out.split()

    assert completions("callring +topology=chip") == [f"+topology=chip{n}" for n in (1, 2, 4, 8)]
    assert completions("callring workload=mat") == ["workload=matmul"]
    assert "worker.start_timeout=" in completions("callring worker.start")
    assert completions("callring stage=pl") == ["stage=plan"]
    assert {"stage=doctor", "stage=report"} <= set(completions("callring stage="))
    assert completions("callring output=j") == ["output=json"]
    folder = str(FIXTURES / "conf")
    theirs = sorted(f"workload={file.stem}" for file in (FIXTURES / "conf" / "workload").glob("b*.yaml"))
    assert theirs
    assert completions(f"callring --config-dir {folder} workload=b") == theirs
    assert completions(f"callring --config-dir={folder} workload=b") == theirs
    assert "complete" in inside("--shell-completion", "install=bash").out
