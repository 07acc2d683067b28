"""Pages of sweeps for tests, from invented points: with words as values, failures and a tuning."""

import itertools

from pipeline.report.result import result_document
from pipeline.sweep.page import Searched, write_page
from pipeline.sweep.points import Point, swept_keys
from pipeline.sweep.tune import objective_if_known
from tests.report.pages import PROVENANCE
from tests.report.test_result_document import RECORD

TOPOLOGY = {"level": 3, "chips": 1, "sub_workers": 0, "children": []}


def point(folder, number, overrides, seconds, *, chips=1, exit_code=0, error="", virtual=None):
    """An ended point, with these measured runs or with an error."""
    document = result_document(RECORD) | {
        "exit_code": exit_code,
        "status": {0: "ok", 1: "error", 5: "worker_lost"}[exit_code],
        "error": error or None,
        "configuration": {"topology": {**TOPOLOGY, "chips": chips}},
        "provenance": {**PROVENANCE, "git": None, "compiler": "g++ 12"},
        "virtual": virtual,
    }
    document["measurements"] |= {"run_seconds": seconds, "execution_seconds": {"add": seconds}}
    made = Point(tuple(overrides), number, folder / str(number), exit_code, error, document)
    if seconds:
        ordered = sorted(seconds)
        made.run_seconds = ordered[len(ordered) // 4], ordered[len(ordered) // 2], ordered[3 * len(ordered) // 4]
    made.folder.mkdir(parents=True, exist_ok=True)
    (made.folder / "report.html").write_text("<!DOCTYPE html><title>a report</title>")
    return made


def sweep_points(folder):
    """Points over chips, kernels and sizes; one of them failed and one could not be composed."""
    points = []
    kernels = ("vector_add", "vector_add_unrolled")
    for chips, kernel, size in itertools.product((1, 2, 4, 8), kernels, (1000, 1_000_000)):
        base = size * 1e-9 * (1.0 if kernel == "vector_add" else 0.8) / chips**0.8 + 2e-5
        overrides = [f"+topology=chip{chips}", f"callable@workload.callables.add={kernel}", f"workload.size={size}"]
        virtual = {"model": "example", "makespan_ns": int(base * 5e8), "critical_path_ns": int(base * 4e8)}
        virtual |= {"one_by_one_ns": int(base * 4e9), "chips_busy": 0.7, "tasks": chips}
        seconds = [base * (1 + 0.02 * ((7 * i) % 5 - 2)) for i in range(10)]
        points.append(point(folder, len(points), overrides, seconds, chips=chips, virtual=virtual))
    lost = [*points[-1].overrides[:2], "workload.size=5000"]
    points.append(point(folder, len(points), lost, [], exit_code=5, error="chip 3 was lost: SIGSEGV"))
    points.append(Point(("+topology=chip3", *points[-1].overrides[1:]), error="topology=chip3: no such option"))
    return points


def write_sweep(folder):
    """Writes the page of ``sweep_points``. Returns its path."""
    points = sweep_points(folder)
    write_page(folder / "sweep.html", [(one, None) for one in points], swept_keys(points))
    return folder / "sweep.html"


def write_tuning(folder):
    """Writes the page of a search over three parameters, in which some points are impossible. Returns its path."""
    points = []
    for i, (m, n, k) in enumerate(itertools.islice(itertools.product((16, 32, 64), (16, 64), (64, 128, 512)), 16)):
        overrides = [f"workload.tile_m={m}", f"workload.tile_n={n}", f"workload.tile_k={k}"]
        if m * k > 64 * 256:
            points.append(point(folder, i, overrides, [], exit_code=1, error="tiles do not fit the scratch memory"))
            continue
        seconds = 0.08 + abs(m - 32) * 1e-3 + abs(n - 64) * 3e-4 + abs(k - 128) * 5e-5 + (i * 7 % 5) * 1e-3
        points.append(point(folder, i, overrides, [seconds, seconds * 1.02, seconds * 0.99]))
    searched = Searched(lambda one: objective_if_known(one, "run"), "run")
    write_page(folder / "sweep.html", [(one, None) for one in points], swept_keys(points), searched)
    return folder / "sweep.html"
