"""Workloads declared in YAML: the contents of their tensors, the tasks of their loops, the verification."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.targets import Lookup
from pipeline.config.topology import Level, parse_topology
from pipeline.workloads.declared.expressions import parse_expression, parse_piece
from pipeline.workloads.declared.program import Declared
from pipeline.workloads.declared.tensors import declare_tensors
from runtime.errors import ConfigurationError

from .conftest import USER_CONFIGS

ALLOWED = "python_packages=[pipeline,user_programs]"
DECLARED = (*USER_CONFIGS, "workload=declared_sums", ALLOWED, "hydra.run.dir=run")
TREE = Level("node", 3, chips=2, sub_workers=1)


def result_of(done):
    return json.loads((done.folder / "run" / "result.json").read_text())


def declare(config, tree=TREE):
    return Declared(config, tree, (), (), Lookup((), ()))


@pytest.mark.parametrize("chips", [1, 4])
def test_a_declared_workload_runs_its_loops_and_is_verified(inside, chips):
    done = inside(*DECLARED, f"+topology=chip{chips}")
    assert done.code == 0, done.err
    result = result_of(done)
    assert result["tasks"]["count"] == 2 * chips * 4
    assert result["verification"]["figures"] == {"out.max_abs_error": 0.0}


def test_a_task_with_an_empty_part_is_not_submitted(inside):
    done = inside(*DECLARED, "workload.sizes.size=3")
    assert done.code == 0, done.err
    assert result_of(done)["tasks"]["count"] == 2 * 3


def test_a_wrong_outcome_of_a_declared_workload_is_found(inside):
    done = inside(*DECLARED, "callable@workload.callables.add=wrong_sum")
    assert done.code == 4
    assert "out: 44 of 4,096 elements differ" in done.err


def test_an_orchestration_function_replaces_declared_tasks(inside):
    done = inside(*DECLARED, "~workload.tasks", "+workload.orchestration=user_programs.golden:orchestrate")
    assert done.code == 0, done.err
    assert result_of(done)["tasks"]["count"] == 1


def test_tensors_come_from_files_and_are_compared_with_files(inside, tmp_path):
    folder = tmp_path / "inside"
    left = np.arange(4096, dtype=np.float32)
    np.save(folder / "left.npy", left)
    np.savez(folder / "sums.npz", sums=left + 1.5, other=left)
    expected = "+workload.verify.expected={out: {fill: sums.npz, array: sums}}"
    fills = ("workload.tensors.left={fill: left.npy}", "~workload.tensors.left.shape", "~workload.tensors.left.seed")
    given = (*DECLARED, *fills, "~workload.verify.golden", expected)
    assert inside(*given).code == 0
    np.savez(folder / "sums.npz", sums=left + 1.75, other=left)
    assert inside(*given).code == 4


def test_every_run_begins_with_the_declared_contents_of_tensors_that_it_changes(inside, tmp_path):
    config = tmp_path / "configs"
    (config / "workload").mkdir(parents=True)
    (config / "workload" / "twice.yaml").write_text(
        "defaults: [/callable@callables.join: join_partials]\n"
        "name: twice\n"
        "repeat: 3\n"
        "tensors: {into: {shape: [1, 64], fill: 1}, added: {shape: [1, 64], fill: 2}}\n"
        "tasks: [{callable: join, where: 0, args: [{inout: into}, {in: added}]}]\n"
        "verify: {golden: 'user_programs.golden:joined'}\n"
    )
    done = inside("--config-dir", str(config), "workload=twice", ALLOWED)
    assert done.code == 0, done.err


PING_PONG = """
defaults: [/callable@callables.add: vector_add]
name: ping_pong
warm_up: 1
repeat: 3
tensors: {there: {shape: [64], fill: 1}, back: {shape: [64], fill: 5}, step: {shape: [64], fill: 2}}
tasks:
  - {callable: add, where: 0, args: [{in: there}, {in: step}, {out: back}]}
  - {callable: add, where: 0, args: [{in: back}, {in: step}, {out: there}]}
verify: {expected: {there: there.npy, back: back.npy}}
"""
STENCIL = """
defaults: [/callable@callables.add: vector_add]
name: stencil
warm_up: 1
repeat: 3
tensors: {line: {shape: [8], fill: line.npy}}
tasks:
  - for: {i: 4}
    callable: add
    where: 0
    args: [{in: 'line[i + 1:i + 2]'}, {in: 'line[i + 2:i + 3]'}, {out: 'line[i:i + 1]'}]
verify: {expected: {line: after.npy}}
"""


@pytest.mark.parametrize("capture", ["false", "true"])
def test_repetitions_of_a_ping_pong_begin_with_the_declared_contents(inside, tmp_path, capture):
    folder = workload_folder(tmp_path, PING_PONG, there=np.full(64, 5), back=np.full(64, 3))
    done = inside("--config-dir", folder, "workload=ping_pong", f"+workload.capture={capture}")
    assert done.code == 0, done.err
    assert "verified" in done.out


@pytest.mark.parametrize("capture", ["false", "true"])
def test_repetitions_of_a_stencil_in_one_tensor_begin_with_the_declared_contents(inside, tmp_path, capture):
    line, after = np.array([1, 2, 3, 4, 5, 6, 7, 8]), np.array([5, 7, 9, 11, 5, 6, 7, 8])
    folder = workload_folder(tmp_path, STENCIL, line=line, after=after)
    done = inside("--config-dir", folder, "workload=stencil", f"+workload.capture={capture}")
    assert done.code == 0, done.err


CHANGES = """
from runtime import Tag, TaskArgs

def orchestrate(o, tensors, handles, context):
    there, step = tensors["there"], tensors["step"]
    there.numpy()[...] += 1  # here, not in a task
    args = TaskArgs((there, Tag.INPUT), (step, Tag.INPUT), (tensors["back"], Tag.OUTPUT))
    o.submit_next_level(handles["add"], args, worker=0)
"""


def test_a_launch_of_a_captured_graph_does_not_begin_with_the_changes_of_the_capture(inside, tmp_path):
    folder = workload_folder(tmp_path, PING_PONG, there=np.full(64, 1), back=np.full(64, 3))
    Path(folder, "changes_in_capture.py").write_text(CHANGES)
    own = ("~workload.tasks", "+workload.orchestration=changes_in_capture:orchestrate", "+workload.capture=true")
    allowed = "python_packages=[changes_in_capture]"
    done = inside(
        "--config-dir", folder, "workload=ping_pong", allowed, *own, "workload.warm_up=0", "workload.repeat=1"
    )
    assert done.code == 0, done.err


def workload_folder(tmp_path, text, **arrays):
    """A folder of configs with one workload, and files of float32 beside it."""
    folder = tmp_path / "mine"
    (folder / "workload").mkdir(parents=True)
    (folder / "workload" / f"{yaml.safe_load(text)['name']}.yaml").write_text(text)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array.astype(np.float32))
    return str(folder)


def test_a_workload_without_verify_reports_that_nothing_was_compared(inside):
    done = inside(*DECLARED, "~workload.verify")
    assert done.code == 0, done.err
    assert "unverified  declared_sums" in done.out
    assert "unverified  nothing was compared: the workload declares no verify" in done.out
    assert not re.search(r"\bverified", done.out)
    assert result_of(done)["verification"]["passed"] is None


def test_loops_unfold_in_order_and_nest():
    task = {"callable": "look", "args": [{"in": "t[part(tile, 3)]"}, {"scalar": "round * 10 + tile"}]}
    config = {
        "tensors": {"t": {"shape": [9], "dtype": "int32"}},
        "tasks": [{"for": {"round": 2}, "tasks": [task | {"for": {"tile": 3}}]}],
    }
    made = Declared(config, TREE, (), (_python("look"),), Lookup((), ()))
    assert [task.scalars for task in made._tasks] == [(0,), (1,), (2,), (10,), (11,), (12,)]
    assert [task.arguments[0].index for task in made._tasks[:3]] == [(slice(i, i + 3),) for i in (0, 3, 6)]


def _python(name):
    from pipeline.config.specs import PythonSpec

    return PythonSpec(name, "m:f", pickle_by_value=False)


@given(st.integers(1, 200), st.integers(1, 50))
def test_the_parts_of_an_axis_are_disjoint_cover_it_and_differ_by_at_most_one(extent, count):
    piece = parse_piece("t[part(i, n)]", "key", ["t"], ["i", "n"])
    found = [piece.index((extent,), {"i": i, "n": count}) for i in range(count)]
    taken = [index for (part,) in filter(None, found) for index in range(extent)[part]]
    assert taken == list(range(extent))
    sizes = [0 if part is None else part[0].stop - part[0].start for part in found]
    assert max(sizes) - min(sizes) <= 1


@given(st.text(alphabet="ab()[]+-*/%.,:0123 ^&|'\"=lamdimport_", max_size=24))
def test_any_text_is_an_expression_with_a_number_or_is_refused(text):
    try:
        value = parse_expression(text, "key", ["a", "b"]).number({"a": 1, "b": 2})
    except ConfigurationError:
        return
    assert isinstance(value, int | float)


@pytest.mark.parametrize("text", ["a.real", "a if b else 1", "[a][0]", "(lambda: 1)()", "2 ** 9", "max(*[a])", "'a'"])
def test_nothing_but_arithmetic_is_an_expression(text):
    with pytest.raises(ConfigurationError, match="allowed are numbers, names"):
        parse_expression(text, "key", ["a", "b"])


def test_random_contents_follow_from_seed_and_name():
    def content(name, seed, dtype="float32"):
        config = {name: {"shape": [64], "fill": "random", "seed": seed, "dtype": dtype}}
        return declare_tensors(config, "key", {}, ())[name].content()

    assert np.array_equal(content("a", 1), content("a", 1))
    assert not np.array_equal(content("a", 1), content("a", 2))
    assert not np.array_equal(content("a", 1), content("b", 1))
    assert set(content("a", 1, "bool")) == {False, True}
    assert 0 <= content("a", 1, "uint8").min() <= content("a", 1, "uint8").max() < 100


def test_a_topology_is_a_tree_whose_levels_count_down():
    tree = parse_topology(
        {
            "name": "pod",
            "level": 5,
            "sub_workers": 1,
            "children": [{"children": [{"chips": 4, "sub_workers": 2, "count": 2}, {"chips": 1}]}],
        }
    )
    assert [(level.level, level.chips) for level in tree.walk()] == [(5, 0), (4, 0), (3, 4), (3, 4), (3, 1)]
    assert (tree.total_chips, tree.total_sub_workers) == (9, 5)
    assert [level.name for level in tree.walk()] == ["pod", "level 4 worker 0", "node 0", "node 1", "node 2"]
