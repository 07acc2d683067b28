"""Rows of the costs around tasks: starts, idling, registrations, replacements, runs of the pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime import Worker
from tests.benchmark.contenders import median_us, noop
from tests.benchmark.cpu import cpu_seconds
from tests.benchmark.measure import OURS, Effort, Row, duration, interleaved
from tests.benchmark.recovery import replacement_rows

_ROOT = Path(__file__).resolve().parent.parent.parent
_BARE_HYDRA = """import argparse

import hydra

argparse.ArgumentParser._check_help = lambda self, action: None  # without this, Hydra 1.3 does not start on Python 3.14

@hydra.main(version_base=None, config_path=None)
def main(config):
    pass


main()
"""


def milliseconds(make: Callable[[], Any]) -> float:
    """Milliseconds to make an object that has a close()."""
    begin = time.perf_counter()
    made = make()
    lasted = time.perf_counter() - begin
    made.close()
    return lasted * 1e3


def ready(effort: Effort) -> list[Row]:
    """The start of a Worker, until it is ready."""
    chips = duration("eight chips ready", "ms", "30 ms")
    subs = duration("eight Python sub-workers ready", "ms", "1.5 x an interpreter that imports NumPy")
    interpreter = [sys.executable, "-c", "import numpy"]
    measures = {
        OURS: lambda: milliseconds(Worker(sub_workers=8).init),
        "interpreter with NumPy": lambda: _command_ms(interpreter),
    }
    return [
        interleaved(chips, {OURS: lambda: milliseconds(Worker(chips=8).init)}, effort.rounds),
        interleaved(subs, measures, effort.rounds),
    ]


def idle(effort: Effort) -> list[Row]:
    """The processor time of an idle Worker."""
    seconds = max(0.2, 10 * effort.scale)

    def measure() -> float:
        with Worker(chips=8, sub_workers=8) as worker:
            pids = [os.getpid(), *(child.pid for child in worker.children)]
            time.sleep(0.2)
            before = cpu_seconds(pids)
            time.sleep(seconds)
            return (cpu_seconds(pids) - before) / seconds * 100

    row = duration("idle, 8 chips and 8 sub-workers", "% of a core", "0.1 %")
    return [interleaved(row, {OURS: measure}, min(effort.rounds, 3))]


def duplicates(effort: Effort) -> list[Row]:
    """One more registration of a callable that eight children have."""
    count = effort.count(100, 5)
    with Worker(sub_workers=8) as worker:
        worker.register(noop)
        row = duration("one more registration on 8 children", "us", "200 us")
        measure = {OURS: lambda: median_us(count, lambda: worker.unregister(worker.register(noop)))}
        return [interleaved(row, measure, effort.rounds)]


def replacement(effort: Effort) -> list[Row]:
    """From the death of a child with a hundred callables to the first task on the new one."""
    return replacement_rows(100, effort.count(20, 2))


def pipeline(effort: Effort) -> list[Row]:
    """A run of the pipeline without a build, beside an empty Hydra application."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bare.py").write_text(_BARE_HYDRA)
        run_dir = f"hydra.run.dir={folder / 'run'}"
        ours = [sys.executable, "-m", "pipeline", "+topology=chip8", run_dir]
        _command_ms(ours)  # builds what is missing
        builds: list[float] = []

        def run() -> float:
            lasted = _command_ms(ours)
            stages = json.loads((folder / "run" / "result.json").read_text())["stages"]
            builds.append(next(stage["seconds"] for stage in stages if stage["name"] == "build") * 1e3)
            return lasted

        bare = [sys.executable, str(folder / "bare.py"), run_dir]
        row = duration("pipeline on eight chips, nothing to build", "ms", "1.5 x bare Hydra")
        rows = [interleaved(row, {OURS: run, "bare Hydra": lambda: _command_ms(bare)}, effort.rounds)]
    rows.append(duration("build stage, nothing to build", "ms", "50 ms"))
    rows[-1].figures[OURS] = builds
    return rows


def _command_ms(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True)
    return (time.perf_counter() - begin) * 1e3
