import json
import subprocess
import sys
from pathlib import Path

from tests.benchmark.applications.output import CONTENDERS, OPENMP, tables
from tests.benchmark.measure import OURS, duration
from tests.benchmark.table import document, rows_of
from tests.patience import patience

ROOT = Path(__file__).resolve().parents[3]


def run(module, *arguments):
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience(120), check=False)


def test_a_small_run_measures_every_contender_with_right_results_and_a_page_is_made_of_it(tmp_path):
    path, page = tmp_path / "applications.json", tmp_path / "page.md"
    done = run("tests.benchmark.applications", "--quick", "--json", path)
    assert done.returncode == 0, done.stderr
    results = json.loads(path.read_text())
    here = {name for name in CONTENDERS if name != OPENMP or not results["left_out"]}
    works = ("Cholesky 64, tiles of 16", "matmul 64, tiles of 16", "stencil 16, 8 iterations")
    assert {each["name"] for each in results["benchmarks"]} == {
        f"{work}, {layout}, 2 workers, {clock}[{name}]"
        for work in works
        for layout in ("contiguous", "2-D views")
        for clock in ("cpu", "wall")
        for name in here
    }
    assert all(each["stats"]["min"] > 0 for each in results["benchmarks"])
    row = duration("work", "us")
    row.figures[OURS] = [1.0]
    (tmp_path / "rows.json").write_text(json.dumps(document([row])))
    made = run("tests.benchmark.page", tmp_path / "rows.json", "--applications", path, "--page", page)
    assert made.returncode == 0, made.stderr
    section = "\n".join(tables(rows_of(results), results["machine_info"]["cpu"]["count"])).lstrip()
    assert section in page.read_text()
    assert section in done.stdout
