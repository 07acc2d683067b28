"""Rows of Python tasks: ours and the peers', the same work in turn."""

from __future__ import annotations

from tests.benchmark.contenders import CONTENDERS, all_started, rate
from tests.benchmark.measure import Effort, Row, duration, in_turn, per_second

_SIZES = {"1 KiB": 1 << 10, "1 MiB": 1 << 20, "64 MiB": 64 << 20}


def independent(effort: Effort) -> list[Row]:
    """Tasks that depend on nothing, submitted one by one."""
    rows, count = [], effort.count(20_000, 50)
    for children, goal in ((1, "10 x the best peer"), (8, "25 x the best peer")):
        with all_started(children) as started:
            row = per_second(f"independent Python tasks, {children} children", goal)
            rows.append(in_turn(row, {n: lambda c=c: rate(count, c.many) for n, c in started.items()}, effort.rounds))
    return rows


def round_trips(effort: Effort) -> list[Row]:
    """A submit and its result."""
    rows, count = [], effort.count(2_000, 20)
    for children in (1, 8):
        with all_started(children) as started:
            row = duration(f"Python round trip, {children} children", "us")
            rows.append(in_turn(row, {n: lambda c=c: c.round_trips(count) for n, c in started.items()}, effort.rounds))
    return rows


def chain(effort: Effort) -> list[Row]:
    """A thousand tasks that each depend on the one before, on one child."""
    with all_started(1) as started:
        row, count = per_second("chain of Python tasks on one child", "30 x the best peer"), effort.count(1_000)
        return [in_turn(row, {n: lambda c=c: rate(count, c.chain) for n, c in started.items()}, effort.rounds)]


def fan(effort: Effort) -> list[Row]:
    """One task, a hundred after it, one after them."""
    times = effort.count(20, 2)

    def measure(contender) -> float:
        return rate(102 * times, lambda _: [contender.fan(100) for _ in range(times)] and None)

    with all_started(8) as started:
        row = per_second("fan-out/fan-in 1-100-1, 8 children", "20 x ProcessPoolExecutor")
        return [in_turn(row, {n: lambda c=c: measure(c) for n, c in started.items()}, effort.rounds)]


def arrays(effort: Effort) -> list[Row]:
    """An array as the argument of a task."""
    rows, count = [], effort.count(100, 3)
    with all_started(1) as started:
        for words, size in _SIZES.items():
            if size * effort.scale < 1 << 10 and size > 1 << 20:
                continue  # a run on a very small scale
            row, times = (
                duration(f"{words} array to a task", "us", "independent of size"),
                max(3, min(count, (256 << 20) // size)),
            )
            measures = {n: lambda c=c, s=size, t=times: c.array_us(s, t) for n, c in started.items()}
            rows.append(in_turn(row, measures, effort.rounds))
    return rows


def start(effort: Effort) -> list[Row]:
    """From nothing to four tasks a child."""
    from tests.benchmark.rows_life import milliseconds

    rows = []
    for children in (1, 8):
        row = duration(f"start to first tasks, {children} children", "ms")
        contenders = {n: lambda k=kind, c=children: milliseconds(lambda: k(c)) for n, kind in CONTENDERS.items()}
        rows.append(in_turn(row, contenders, effort.rounds))
    return rows
