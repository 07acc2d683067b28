import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmark.command_line import started
from tests.benchmark.cpu import cpu_seconds
from tests.benchmark.measure import OURS, SUBMITTED, duration
from tests.benchmark.metg.__main__ import available
from tests.benchmark.metg.output import SUB_WORKERS, tables
from tests.benchmark.metg.patterns import PATTERNS, graph_of
from tests.benchmark.table import document, rows_of
from tests.patience import patience
from tests.process_tree import descendants

ROOT = Path(__file__).resolve().parents[3]


def run(module, *arguments, seconds=60):
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience(seconds), check=False)


def test_a_small_run_writes_a_table_and_json_of_every_contender_that_is_here_and_a_page_is_made_of_it(tmp_path):
    path, picture, page = tmp_path / "metg.json", tmp_path / "metg.svg", tmp_path / "page.md"
    small = ["--quick", "--patterns", "tree", "--workers", 1, "--contenders", "callring", "openmp", "process", "ray"]
    done = run("tests.benchmark.metg", *small, "--json", path, "--plot", picture, seconds=240)
    assert done.returncode == 0, done.stderr
    results = json.loads(path.read_text())
    measured = {each["name"] for each in results["benchmarks"]}
    here = {OURS, SUBMITTED, SUB_WORKERS, "OpenMP tasks", "ProcessPoolExecutor"}
    here -= {name for name in here if any(each.startswith(name) for each in results["left_out"])}
    assert {f"METG by cpu, tree, 1 workers[{name}]" for name in here} <= measured
    assert all(each["stats"]["min"] > 0 for each in results["benchmarks"])
    assert "### By processor time" in done.stdout
    assert "### By the clock" in done.stdout
    assert "tree, 1 worker<" in picture.read_text()
    assert all(each in done.stdout for each in results["left_out"])
    table = document([duration("work", "us")])
    (tmp_path / "rows.json").write_text(json.dumps({**table, "benchmarks": results["benchmarks"][:1]}))
    made = run("tests.benchmark.page", tmp_path / "rows.json", "--metg", path, "--page", page)
    assert made.returncode == 0, made.stderr
    assert "\n".join(tables(rows_of(results))) in page.read_text()


def test_unknown_patterns_and_contenders_are_refused():
    for arguments, words in ((["--patterns", "star"], "random_nearest"), (["--contenders", "star"], "callring")):
        done = run("tests.benchmark.metg", "--quick", *arguments)
        assert done.returncode == 2
        assert words in done.stderr


@pytest.fixture(scope="module")
def contenders(tmp_path_factory):
    """All that are here, with two workers."""
    (together, *_), _ = available(tmp_path_factory.mktemp("metg"))
    # The pool forks, and this process has threads.
    threads = {name: make for name, make in together.items() if name != "ProcessPoolExecutor"}
    with pytest.MonkeyPatch.context() as patch:
        # On a busy machine, a thread that spins keeps others from their work.
        patch.setenv("OMP_WAIT_POLICY", "passive")
        with started(threads, 2) as made:
            yield made


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_contender_executes_every_task_after_its_inputs(pattern, contenders):
    graph = graph_of(pattern, 8, 8)
    for contender in contenders.values():
        contender.prepare(graph)
        taken = contender.measure(iterations=50, repeats=3)
        assert taken.wall > 0
        assert taken.cpu > 0


def test_processor_time_is_that_of_other_processes_and_grows_with_their_work():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in descendants()
        before = cpu_seconds([child.pid])
        child.stdin.write(b"\n")
        child.stdin.flush()
        assert cpu_seconds([child.pid]) >= before >= 0
        child.stdin.close()
    with pytest.raises(ProcessLookupError):
        cpu_seconds([child.pid])
