import json
import subprocess
import sys
from pathlib import Path

from tests.benchmark.measure import Row
from tests.benchmark.page import PAGE, PICTURE
from tests.benchmark.plot import bars_of, drawn, plot
from tests.benchmark.suite import ROWS, chosen
from tests.benchmark.table import document, rows_of, table
from tests.patience import patience

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*arguments):
    command = [sys.executable, "-m", "tests.benchmark", "--rounds", "1", "--scale", "0.001", "--no-peers", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience(240), check=False)


def test_the_benchmark_measures_every_row_and_a_page_is_made_of_it(tmp_path):
    path, page = tmp_path / "results.json", tmp_path / "page.md"
    done = run("--json", str(path))
    assert done.returncode == 0, done.stderr
    results = json.loads(path.read_text())
    names = {benchmark["name"] for benchmark in results["benchmarks"]}
    assert {
        "independent Python tasks, 8 children[callring]",
        "fan-out/fan-in 1-100-1, 8 children[multiprocessing.Pool]",
        "chip round trip, asleep[bare futex wake-up]",
        "pipeline on eight chips, nothing to build[bare Hydra]",
    } <= names
    assert all(benchmark["stats"]["median"] >= 0 for benchmark in results["benchmarks"])
    groups = {benchmark["group"] for benchmark in results["benchmarks"]}
    assert len(done.stdout.splitlines()) == 2 + len(groups)
    subprocess.run([sys.executable, "-m", "tests.benchmark.page", str(path), "--page", str(page)], cwd=ROOT, check=True)
    assert done.stdout in page.read_text()
    assert {row.name for row in rows_of(json.loads(path.read_text()))} == groups


def test_registrations_are_measured_idle_and_under_long_tasks(tmp_path):
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "tests.benchmark.registry", "--rounds", "1", "--count", "2", "--json", str(path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience(120), check=True)
    names = {benchmark["name"] for benchmark in json.loads(path.read_text())["benchmarks"]}
    assert "new function on 8 children[multiprocessing.Pool]" in names
    assert "new function, every child sleeps[callring]" in names
    assert "one more registration of a chip callable, every chip executes[callring]" in names


def test_replacements_are_measured():
    command = [sys.executable, "-m", "tests.benchmark.recovery", "--deaths", "2", "--identities", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience(120), check=True)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        f"death of a {kind} to the first task on its replacement, 3 identities" for kind in ("chip", "sub-worker")
    ]


def test_the_page_of_the_documentation_has_a_line_for_every_row():
    for words in ("independent Python tasks, 8", "captured chain", "hop of a chain", "memory of a task", "bare Hydra"):
        assert words in PAGE.read_text()


def test_rows_are_chosen_by_parts_of_their_names():
    assert chosen(["chain"]) == ["python_chain", "chip_chain"]
    assert chosen([]) == list(ROWS)
    done = run("--rows", "nothing_like_it")
    assert done.returncode == 2
    assert "python_chain" in done.stderr


def test_a_ratio_says_how_many_times_better_callring_is_for_rates_and_durations():
    faster = Row("rate", "1/s", higher_is_better=True, figures={"callring": [10, 30, 20], "peer": [4, 5, 6]})
    shorter = Row("time", "us", higher_is_better=False, figures={"callring": [2], "peer": [8]})
    assert (faster.ratio_to("peer"), shorter.ratio_to("peer")) == (4, 4)
    assert table([faster])[2] == "| rate | 20 1/s (10 to 30) | peer 5 1/s (4 to 6): 4 x |  |"
    assert rows_of(document([faster, shorter])) == [faster, shorter]


def test_the_picture_shows_every_ratio(tmp_path):
    plot([Row("work", "us", higher_is_better=False, figures={"callring": [2], "peer": [8]})], tmp_path / "p.svg")
    assert "work: peer" in (tmp_path / "p.svg").read_text()


def test_the_picture_of_the_page_shows_the_ratios_of_its_table():
    page = PAGE.read_text()
    bars = bars_of(page)
    assert len(bars) == page.count(" x |") + page.count(" x; ")
    assert PICTURE.read_text() == drawn(bars)


def test_the_benchmark_of_the_executor_prints_a_ratio_for_each_row():
    command = [sys.executable, "-m", "tests.benchmark.executor", "--rounds", "1", "--scale", "0.005"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience(120), check=False)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[2:]
    assert len(rows) == 39
    assert all(row.endswith("x |") for row in rows)
