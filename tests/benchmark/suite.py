"""The rows of the benchmark."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from runtime import Worker
from tests.benchmark.contenders import CONTENDERS, all_started, chips, rate
from tests.benchmark.measure import Row, in_turn


def run_suite(rounds: int, scale: float) -> list[Row]:
    """Measures everything; ``scale`` shrinks the amount of work."""
    tasks, trips = max(50, int(20_000 * scale)), max(20, int(2_000 * scale))
    rows: list[Row] = []
    for children in (1, 2, 8):
        with all_started(children) as started:
            row = Row(f"independent Python tasks/s, {children} children", "1/s", higher_is_better=True)
            rows.append(in_turn(row, {n: lambda c=c: rate(tasks, c.many) for n, c in started.items()}, rounds))
            if children != 2:
                row = Row(f"round trip, {children} children", "us", higher_is_better=False)
                rows.append(in_turn(row, {n: lambda c=c: c.round_trips(trips) for n, c in started.items()}, rounds))
            if children == 8:
                row = Row("new function on 8 children", "us", higher_is_better=False)
                rows.append(in_turn(row, {n: lambda c=c: _new_functions(c) for n, c in started.items()}, rounds))
    with tempfile.TemporaryDirectory() as folder:
        for count in (1, 8):
            with chips(count, Path(folder)) as many:
                row = Row(f"no-op chip tasks/s, {count} chips", "1/s", higher_is_better=True)
                rows.append(in_turn(row, {"callring": lambda many=many: rate(tasks, many)}, rounds))
    for children in (1, 8):
        row = Row(f"start to first task, {children} children", "ms", higher_is_better=False)
        contenders = {name: lambda c=kind, n=children: _start(c, n) for name, kind in CONTENDERS.items()}
        rows.append(in_turn(row, contenders, rounds))
    row = Row("eight chips ready", "ms", higher_is_better=False)
    rows.append(in_turn(row, {"callring": _start_chips}, rounds))
    row = Row("idle, 8 chips and 2 sub-workers", "% of a core", higher_is_better=False)
    rows.append(in_turn(row, {"callring": lambda: _idle(max(0.2, 5 * scale))}, 1))
    return rows


def _new_functions(contender) -> float:
    begin = time.perf_counter()
    for _ in range(20):
        contender.new_function()
    return (time.perf_counter() - begin) / 20 * 1e6


def _start(kind, children: int) -> float:
    begin = time.perf_counter()
    contender = kind(children)
    duration = time.perf_counter() - begin
    contender.close()
    return duration * 1e3


def _start_chips() -> float:
    begin = time.perf_counter()
    worker = Worker(chips=8).init()
    duration = time.perf_counter() - begin
    worker.close()
    return duration * 1e3


def _idle(seconds: float) -> float:
    with Worker(chips=8, sub_workers=2) as worker:
        pids = [os.getpid(), *(child.pid for child in worker.children)]
        time.sleep(0.2)
        before = sum(map(_cpu_seconds, pids))
        time.sleep(seconds)
        return (sum(map(_cpu_seconds, pids)) - before) / seconds * 100


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
