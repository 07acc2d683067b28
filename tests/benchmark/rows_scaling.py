"""Rows of the cost of a task by number of tasks, children and callables, and by depth and width; and of memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.benchmark import kernels
from tests.benchmark.measure import OURS, Effort, Row, duration, interleaved
from tests.benchmark.rows_chips import ONE_BLOCK, launch_rate, noop_chips


def _cost_ns(worker: Any, handles: list[Any], tasks: int, chips: int) -> float:
    def orchestrate(o: Any) -> None:
        for i in range(tasks):
            o.submit_next_level(handles[i % len(handles)], None, ONE_BLOCK, worker=i % chips)

    begin = time.perf_counter()
    worker.run(orchestrate)
    return (time.perf_counter() - begin) / tasks * 1e9


def tasks(effort: Effort) -> list[Row]:
    """One run of ten to a million tasks."""
    rows = []
    with noop_chips(1) as (worker, handle):
        for count in (10, 1_000, 100_000, 1_000_000):
            row = duration(f"cost of one of {count:,} tasks", "ns", "flat")
            some = max(10, min(count, effort.count(count)))
            rows.append(interleaved(row, {OURS: lambda n=some: _cost_ns(worker, [handle], n, 1)}, effort.rounds))
    return rows


def children(effort: Effort) -> list[Row]:
    """The same number of tasks on more and more chips."""
    rows = []
    for count in (1, 8, 64):
        with noop_chips(count, cores_per_chip=1) as (worker, handle):
            row, some = duration(f"cost of a task on {count} chips", "ns", "flat"), effort.count(50_000, 100)
            measure = {OURS: lambda w=worker, h=handle, c=count, n=some: _cost_ns(w, [h], n, c)}
            rows.append(interleaved(row, measure, effort.rounds))
    return rows


def callables(effort: Effort) -> list[Row]:
    """The same number of tasks of more and more callables."""
    rows = []
    kernel = kernels.noop()
    with noop_chips(1) as (worker, handle):
        handles = [handle]
        for count in (1, 100, 1_000):
            handles += [
                worker.register(kernels.variant(kernel, i)) for i in range(len(handles), max(1, effort.count(count, 1)))
            ]
            row, some = duration(f"cost of a task of {count:,} callables", "ns", "flat"), effort.count(50_000, 100)
            measure = {OURS: lambda h=tuple(handles), n=some: _cost_ns(worker, list(h), n, 1)}
            rows.append(interleaved(row, measure, effort.rounds))
    return rows


def graphs(effort: Effort) -> list[Row]:
    """Captured graphs that are a single chain and graphs without dependencies, on eight chips."""
    rows, launches = [], effort.count(20, 2)
    with noop_chips(8) as (worker, handle):
        for size in (100, 10_000):

            def deep(o: Any, size=size) -> None:
                task = o.submit_next_level(handle, None, ONE_BLOCK, worker=0)
                for _ in range(size - 1):
                    task = o.submit_next_level(handle, None, ONE_BLOCK, worker=0, after=[task])

            def wide(o: Any, size=size) -> None:
                for i in range(size):
                    o.submit_next_level(handle, None, ONE_BLOCK, worker=i % 8)

            for name, orchestrate in (("depth", deep), ("width", wide)):
                row = duration(f"cost of a task, graph of {name} {size:,}", "ns", "flat")
                measure = {OURS: lambda f=orchestrate: 1e9 / launch_rate(worker, f, launches)}
                rows.append(interleaved(row, measure, effort.rounds))
    return rows


def memory(effort: Effort) -> list[Row]:
    """The parent's memory that is still in use after tasks have ended."""
    count = effort.count(1_000_000, 20_000)
    with noop_chips(1) as (worker, handle):
        _cost_ns(worker, [handle], 20_000, 1)

        def measure() -> float:
            before = _resident_bytes()
            _cost_ns(worker, [handle], count, 1)
            return max(0.0, (_resident_bytes() - before) / count)

        return [interleaved(duration("memory of a task that has ended", "B", "256 B"), {OURS: measure}, effort.rounds)]


def _resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024
