"""Rows of chip tasks, beside the limits of the machine."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.chips.chip_callable import ChipCallable
from runtime.identity.handle import CallableHandle
from tests.benchmark import kernels
from tests.benchmark.bare import Bare
from tests.benchmark.contenders import median_us, rate
from tests.benchmark.measure import OURS, Effort, Row, duration, interleaved, per_second

ONE_BLOCK = CallConfig(block_count=1)
_OVERLAPPING = 2  # one launch executes while the next is submitted


@contextmanager
def chips_with(kernel: ChipCallable, count: int, **options: Any) -> Iterator[tuple[Worker, CallableHandle]]:
    """A Worker with ``count`` chips and one kernel."""
    with Worker(chips=count, options=WorkerOptions(**options)) as worker:
        yield worker, worker.register(kernel)


def noop_chips(count: int, **options: Any) -> AbstractContextManager[tuple[Worker, CallableHandle]]:
    """A Worker with ``count`` chips and a kernel that does nothing."""
    return chips_with(kernels.noop(), count, **options)


def launch_rate(worker: Worker, orchestrate: Callable[[Any], object], launches: int) -> float:
    """Tasks per second of a captured graph that is launched ``launches`` times, several at a time."""
    graph = worker.capture(orchestrate)
    worker.launch(graph).result()

    def work(_: int) -> None:
        running = []
        for _ in range(launches):
            running.append(worker.launch(graph))
            if len(running) == _OVERLAPPING:
                running.pop(0).result()
        for each in running:
            each.result()

    return rate(launches * len(graph), work)


def captured(effort: Effort) -> list[Row]:
    """Independent tasks of a captured graph."""
    rows = []
    for count, goal in ((1, "5,000,000/s"), (8, "3,000,000/s")):
        with noop_chips(count) as (worker, handle):

            def orchestrate(o: Any, handle=handle, count=count) -> None:
                for i in range(1000):
                    o.submit_next_level(handle, None, ONE_BLOCK, worker=i % count)

            row = per_second(f"captured chip tasks, {count} chips", goal)
            launches = effort.count(500, 2)
            measure = {OURS: lambda w=worker, f=orchestrate, n=launches: launch_rate(w, f, n)}
            rows.append(interleaved(row, measure, effort.rounds))
    return rows


def one_by_one(effort: Effort) -> list[Row]:
    """Independent tasks submitted one by one from Python."""
    rows, tasks = [], effort.count(50_000, 100)
    for count in (1, 8):
        with noop_chips(count) as (worker, handle):

            def orchestrate(o: Any, handle=handle, count=count) -> None:
                for i in range(tasks):
                    o.submit_next_level(handle, None, ONE_BLOCK, worker=i % count)

            row = per_second(f"chip tasks one by one, {count} chips", "1,000,000/s")
            measure = {OURS: lambda w=worker, f=orchestrate: rate(tasks, lambda _: w.run(f))}
            rows.append(interleaved(row, measure, effort.rounds))
    return rows


def submit(effort: Effort) -> list[Row]:
    """The time of a submit in the caller."""
    count, rows = effort.count(20_000, 100), []
    for name, kernel, goal in (("none", kernels.noop(), "0.3 us"), ("three tensors", kernels.three(), "0.8 us")):
        with chips_with(kernel, 1) as (worker, handle):
            tensors = [worker.zeros(64, "float32") for _ in range(3)]
            tags = (Tag.INPUT, Tag.INPUT, Tag.OUTPUT)
            args = TaskArgs(*zip(tensors, tags, strict=True)) if kernel.signature else None

            def once(worker=worker, handle=handle, args=args) -> float:
                def orchestrate(o: Any) -> float:
                    begin = time.perf_counter()
                    for _ in range(count):
                        o.submit_next_level(handle, args, ONE_BLOCK, worker=0)
                    return (time.perf_counter() - begin) / count * 1e6

                return worker.run(orchestrate)

            rows.append(interleaved(duration(f"submit, {name}", "us", goal), {OURS: once}, effort.rounds))
    return rows


def round_trips(effort: Effort) -> list[Row]:
    """Python to a chip and back: warm, and with the chip asleep beside a bare futex wake-up."""
    warm, asleep = effort.count(5_000, 20), effort.count(200, 10)
    with tempfile.TemporaryDirectory() as folder, noop_chips(1) as (worker, handle):
        bare = Bare(Path(folder))

        def trips() -> float:
            once = lambda o: median_us(warm, lambda: o.submit_next_level(handle, None, ONE_BLOCK, worker=0).result())  # noqa: E731
            return worker.run(once)

        def sleepers(o: Any) -> float:
            durations = []
            for _ in range(asleep):
                time.sleep(0.002)
                begin = time.perf_counter()
                o.submit_next_level(handle, None, ONE_BLOCK, worker=0).result()
                durations.append(time.perf_counter() - begin)
            return statistics.median(durations) * 1e6

        rows = [interleaved(duration("chip round trip, warm", "us", "2 us"), {OURS: trips}, effort.rounds)]
        row = duration("chip round trip, asleep", "us", "2 x a bare futex wake-up")
        measures = {OURS: lambda: worker.run(sleepers), "bare futex wake-up": lambda: bare.wake_us(asleep * 10)}
        return [*rows, interleaved(row, measures, effort.rounds)]


def chain(effort: Effort) -> list[Row]:
    """Chains of captured tasks: on one chip, and from one chip to another beside bare round trips."""
    launches, rows = effort.count(200, 2), []
    with tempfile.TemporaryDirectory() as folder, noop_chips(2) as (worker, handle):
        bare = Bare(Path(folder))

        def along(o: Any, chips: int) -> None:
            task = o.submit_next_level(handle, None, ONE_BLOCK, worker=0)
            for i in range(1, 1000):
                task = o.submit_next_level(handle, None, ONE_BLOCK, worker=i % chips, after=[task])

        row = per_second("captured chain on one chip", "2,000,000/s")
        rows.append(
            interleaved(row, {OURS: lambda: launch_rate(worker, lambda o: along(o, 1), launches)}, effort.rounds)
        )
        row = duration("hop of a chain between two chips", "us", "2 bare round trips")
        measures = {
            OURS: lambda: 1e6 / launch_rate(worker, lambda o: along(o, 2), max(2, launches // 10)),
            "bare round trip": lambda: bare.round_trip_us(effort.count(50_000, 100)),
        }
        return [*rows, interleaved(row, measures, effort.rounds)]
