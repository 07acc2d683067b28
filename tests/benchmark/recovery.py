"""``python -m tests.benchmark.recovery``: from the death of a child to the first task on its replacement.

The child has a hundred callables installed, and the task that waits for it is submitted the moment it is killed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime import TaskArgs, Worker, WorkerOptions
from tests.benchmark import kernels
from tests.benchmark.contenders import noop
from tests.benchmark.measure import OURS, Row, duration
from tests.benchmark.table import document

OPTIONS = WorkerOptions(max_restarts=1_000_000)
MENDED_AT_ONCE = 10
"""Deaths per Worker: up to this number, a child is replaced without a pause (docs/explanation/recovery.md)."""


def deaths(worker: Worker, index: int, first_task: Callable[[Any], Any], count: int) -> list[float]:
    """Milliseconds from each kill of a child to the end of the first task on its replacement."""
    durations = []
    for _ in range(count):
        incarnation, pid = worker.children[index].incarnation, worker.children[index].pid
        begin = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        worker.run(first_task)
        lasted = time.perf_counter() - begin
        if worker.children[index].incarnation > incarnation:  # otherwise the task ended before the death
            durations.append(lasted * 1e3)
    return durations


def chip_deaths(identities: int, count: int) -> list[float]:
    """Deaths of a chip with ``identities`` chip callables."""
    kernel = kernels.noop()
    with Worker(chips=2, options=OPTIONS) as worker:
        handles = [worker.register(kernels.variant(kernel, i)) for i in range(identities)]
        return deaths(worker, 0, lambda o: o.submit_next_level(handles[-1], TaskArgs(), worker=0) and None, count)


def sub_worker_deaths(identities: int, count: int) -> list[float]:
    """Deaths of the only sub-worker, with ``identities`` functions."""
    with Worker(sub_workers=1, options=OPTIONS) as worker:
        for i in range(identities - 1):
            worker.register(lambda args, i=i: i)
        handle = worker.register(noop)
        return deaths(worker, 0, lambda o: o.submit_sub(handle) and None, count)


def replacement_rows(identities: int, count: int) -> list[Row]:
    """The rows of a chip and of a sub-worker, with ``count`` deaths each."""
    rows = []
    for name, measure in (("chip", chip_deaths), ("sub-worker", sub_worker_deaths)):
        rows.append(duration(f"death of a {name} to the first task", "ms", "50 ms"))
        rows[-1].figures[OURS] = [
            lasted
            for done in range(0, count, MENDED_AT_ONCE)
            for lasted in measure(identities, min(MENDED_AT_ONCE, count - done))
        ]
    return rows


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.recovery", description=__doc__)
    parser.add_argument("--deaths", type=int, default=100)
    parser.add_argument("--identities", type=int, default=100, help="callables that the child has installed")
    parser.add_argument("--json", type=Path, help="write the results in pytest-benchmark's format")
    given = parser.parse_args()
    rows = replacement_rows(given.identities, given.deaths)
    for row in rows:
        each = row.figures[OURS]
        print(
            f"{row.name} on its replacement, {given.identities} identities: median {statistics.median(each):.1f} ms, "
            f"worst {max(each):.1f} ms of {len(each)}"
        )
    if given.json:
        given.json.write_text(json.dumps(document(rows), indent=1))


if __name__ == "__main__":
    main()
