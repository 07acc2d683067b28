"""Rows of Python tasks: the same work for Callring and its peers."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.benchmark.contenders import CONTENDERS, compare, installed_peers, median_us, rate
from tests.benchmark.measure import Effort, Row, duration, interleaved, per_second
from tests.benchmark.rows_life import milliseconds

_SIZES = {"1 KiB": 1 << 10, "1 MiB": 1 << 20, "64 MiB": 64 << 20}


def independent(effort: Effort) -> list[Row]:
    """Tasks without dependencies, submitted one by one."""

    def measure(contender: Any) -> float:
        return rate(max(50, effort.count(20_000) // contender.slowness), contender.many)

    return [
        compare(per_second(f"independent Python tasks, {children} children", goal), children, measure, effort)
        for children, goal in ((1, "10 x the best peer"), (8, "25 x the best peer"))
    ]


def round_trips(effort: Effort) -> list[Row]:
    """A submit and its result."""

    def measure(contender: Any) -> float:
        return contender.round_trips(max(20, effort.count(2_000) // contender.slowness))

    return [
        compare(duration(f"Python round trip, {children} children", "us"), children, measure, effort)
        for children in (1, 8)
    ]


def chain(effort: Effort) -> list[Row]:
    """A thousand tasks that each depend on the one before, on one child."""

    def measure(contender: Any) -> float:
        return rate(max(20, effort.count(1_000) // contender.slowness), contender.chain)

    row = per_second("chain of Python tasks on one child", "30 x the best peer")
    return [compare(row, 1, measure, effort)]


def fan(effort: Effort) -> list[Row]:
    """One task, a hundred after it, one after them."""

    def measure(contender: Any) -> float:
        times = max(1, effort.count(20) // contender.slowness)

        def work(_: int) -> None:
            for _ in range(times):
                contender.fan(100)

        return rate(102 * times, work)

    row = per_second("fan-out/fan-in 1-100-1, 8 children", "20 x ProcessPoolExecutor")
    return [compare(row, 8, measure, effort)]


def register(effort: Effort) -> list[Row]:
    """A function that is new to eight children."""

    def measure(contender: Any) -> float:
        return median_us(max(5, effort.count(100) // contender.slowness), contender.new_function)

    return [compare(duration("register and unregister on 8 children", "us", "500 us"), 8, measure, effort)]


def arrays(effort: Effort) -> list[Row]:
    """An array as the argument of a task."""
    rows = []
    for words, size in _SIZES.items():
        if size > 1 << 20 and effort.scale < 0.01:
            continue  # the pools copy the array: too slow for a small scale
        count = max(3, min(effort.count(100, 3), (256 << 20) // size))

        def measure(contender: Any, size=size, count=count) -> float:
            return contender.array_us(size, max(3, count // contender.slowness))

        row = duration(f"{words} array to a task", "us", "independent of size")
        rows.append(compare(row, 1, measure, effort))
    return rows


def start(effort: Effort) -> list[Row]:
    """The start of a Worker or pool, until four tasks of each child have ended."""
    rows = []
    kinds = {**CONTENDERS, **installed_peers(effort)}
    for children in (1, 8):
        row = duration(f"start to first tasks, {children} children", "ms")
        contenders = {name: partial(milliseconds, partial(kind, children)) for name, kind in kinds.items()}
        rows.append(interleaved(row, contenders, effort.rounds))
    return rows
