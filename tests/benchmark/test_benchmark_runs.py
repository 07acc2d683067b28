import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_benchmark_compares_us_with_the_pools_and_writes_json(tmp_path):
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "tests.benchmark", "--rounds", "1", "--scale", "0.005", "--json", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "ProcessPoolExecutor" in lines[0]
    assert "multiprocessing.Pool" in lines[0]
    names = {benchmark["name"] for benchmark in json.loads(path.read_text())["benchmarks"]}
    assert "independent Python tasks/s, 8 children[callring]" in names
    assert "new function on 8 children[multiprocessing.Pool]" in names
    assert len(lines) == 2 + len({name.partition("[")[0] for name in names})


def test_the_benchmark_of_the_executor_prints_a_ratio_for_each_row():
    command = [sys.executable, "-m", "tests.benchmark.executor", "--rounds", "1", "--scale", "0.005"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[2:]
    assert len(rows) == 15
    assert all(row.endswith("x |") for row in rows)
