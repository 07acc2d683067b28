"""A plan shows the builds with their reasons, the processes and the dependencies, and changes nothing."""

import json
import xml.etree.ElementTree as ET

import pytest

from pipeline.plan.reasons import NEVER, differences, reasons_to_build

from .conftest import PROJECT, USER_CONFIGS

SMALL = ("workload=vector_add", "workload.size=4096")


@pytest.fixture
def own_kernel(inside, tmp_path):
    """A user's folder with a kernel, the header that it includes, and the arguments that use it."""
    folder = tmp_path / "mine"
    (folder / "callable").mkdir(parents=True)
    source = (PROJECT / "pipeline" / "kernels" / "vector_add.cpp").read_text()
    (folder / "sum.cpp").write_text(f'#include "amount.h"\n{source}')
    (folder / "amount.h").write_text("#define AMOUNT 1\n")
    (folder / "callable" / "sum.yaml").write_text(
        "kind: chip\nsource: sum.cpp\nentry: vector_add\nsignature: [in, in, out]\nflags: []\n"
    )
    given = ("--config-dir", str(folder), *SMALL, "callable@workload.callables.add=sum", f"store.path={tmp_path / 's'}")
    return folder, given


def planned(inside, *arguments):
    done = inside(*arguments, "stage=plan", "output=json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def build_of(document, name):
    return next(build for build in document["builds"] if build["name"] == name)


def test_a_plan_names_the_changes_since_the_nearest_build(inside, own_kernel):
    folder, given = own_kernel
    assert build_of(planned(inside, *given), "add")["reasons"] == [NEVER]
    assert inside(*given, "stage=build").code == 0
    built = build_of(planned(inside, *given), "add")
    assert (built["state"], built["reasons"]) == ("cached", [])
    assert built["hashid"].startswith("sha256:")

    (folder / "amount.h").write_text("#define AMOUNT 2\n")
    changed = build_of(planned(inside, *given), "add")
    assert (changed["state"], changed["reasons"]) == ("would build", ["header amount.h (of sum.cpp) changed"])
    (folder / "amount.h").write_text("#define AMOUNT 1\n")
    (folder / "sum.cpp").write_text((folder / "sum.cpp").read_text() + "// more\n")
    assert build_of(planned(inside, *given), "add")["reasons"] == ["source sum.cpp changed"]


def test_a_plan_names_flags_target_and_damage(inside, own_kernel, tmp_path):
    _, given = own_kernel
    assert inside(*given, "stage=build").code == 0
    flags = planned(inside, *given, "workload.callables.add.flags=[-O3]")
    assert build_of(flags, "add")["reasons"] == ["flag -O3 is new"]
    target = planned(inside, *given, "target=a5sim")
    assert build_of(target, "add")["reasons"] == ["target changed: was a2a3sim, is a5sim"]
    (blob,) = (tmp_path / "s" / "callables").glob("*/callable.blob")
    blob.write_bytes(b"damaged")
    assert build_of(planned(inside, *given), "add")["reasons"] == ["the entry in the store is damaged"]


def test_a_plan_of_a_kernel_that_does_not_compile_succeeds(inside):
    done = inside(*USER_CONFIGS, *SMALL, "callable@workload.callables.add=does_not_compile", "stage=plan")
    assert done.code == 0, done.err
    assert "would build add" in done.out


def test_a_plan_counts_processes_tasks_and_dependencies(inside):
    document = planned(inside, "+topology=node")
    names = [process["name"] for process in document["processes"]["children"]]
    assert names == [*(f"chip {i}" for i in range(8)), "fork server"]
    assert document["processes"]["count"] == 1 + 8 + 1 + 2
    graph = document["graph"]
    # Fifteen rounds: eight shards, seven joins in a tree, one classification.
    assert len(graph["tasks"]) == 15 * (8 + 7 + 1)
    assert graph["complete"]
    assert graph["depth"] == 1 + 3 + 1
    assert graph["edges"] == 15 * (2 * 7 + 1)


def test_a_plan_counts_the_tasks_that_a_run_executes(inside):
    given = (*USER_CONFIGS, "workload=declared_sums", "python_packages=[pipeline,user_programs]", "+topology=chip2")
    tasks = planned(inside, *given)["graph"]["tasks"]
    done = inside(*given, "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert json.loads((done.folder / "run" / "result.json").read_text())["tasks"]["count"] == len(tasks)
    # The second round writes the bytes of the first.
    assert [task["after"] for task in tasks[:8]] == [[]] * 8
    assert [task["after"] for task in tasks[8:]] == [[i] for i in range(8)]


def test_a_plan_draws_its_graph_into_the_named_file(inside):
    done = inside("stage=plan", "+topology=chip4", "plan.graph=graph.svg")
    assert done.code == 0, done.err
    root = ET.parse(done.folder / "graph.svg").getroot()
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    style = root.findtext("{http://www.w3.org/2000/svg}style")
    assert "prefers-color-scheme: dark" in style
    assert all(f"--{name}:" in style for name in ("paper", "text", "on", "c0"))
    assert {"chip 0", "chip 3", "shard \N{MULTIPLICATION SIGN} 15"} <= set(words)
    assert [path.name for path in done.folder.iterdir()] == ["graph.svg"]


def test_the_nearest_entry_is_the_one_with_the_fewest_differences():
    wanted = {"sources": {"a.cpp": "1", "b.cpp": "1"}, "flags": ["-O2"], "target": "x"}
    far = {**wanted, "sources": {"a.cpp": "2", "b.cpp": "2"}, "flags": []}
    near = {**wanted, "target": "y"}
    assert reasons_to_build(wanted, [(9.0, far), (1.0, near)]) == ("target changed: was y, is x",)
    assert differences(far, wanted) == ("source a.cpp changed", "source b.cpp changed", "flag -O2 is new")
    assert reasons_to_build(wanted, []) == (NEVER,)
