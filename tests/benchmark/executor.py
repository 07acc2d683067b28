"""``python -m tests.benchmark.executor``: runtime.Executor beside ProcessPoolExecutor, in turn, with the same calls."""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from concurrent.futures import Executor, ProcessPoolExecutor, wait
from functools import partial

import runtime
from tests.benchmark.contenders import median_us, noop, rate
from tests.benchmark.measure import Row, in_turn

_POOLS = ("callring", "ProcessPoolExecutor")


def _independent(pool: Executor, count: int) -> None:
    for future in [pool.submit(noop) for _ in range(count)]:
        future.result()


def _waited_for(pool: Executor, count: int) -> None:
    wait([pool.submit(noop) for _ in range(count)])


def _mapped(pool: Executor, count: int) -> None:
    for _ in pool.map(noop, range(count), chunksize=100):
        pass


def _submit_us(pool: Executor, count: int) -> float:
    begin = time.perf_counter()
    futures = [pool.submit(noop) for _ in range(count)]
    duration = time.perf_counter() - begin
    wait(futures)
    return duration / count * 1e6


def run(children: int, rounds: int, scale: float) -> list[Row]:
    """Measures everything with so many workers; ``scale`` shrinks the amount of work."""
    calls, trips = max(50, int(20_000 * scale)), max(20, int(2_000 * scale))
    # The pool first: it forks, and must not do so beside our threads.
    with ProcessPoolExecutor(children, mp_context=multiprocessing.get_context("fork")) as theirs:
        _independent(theirs, children * 4)
        with runtime.Executor(children) as ours:
            _independent(ours, children * 4)
            pools = dict(zip(_POOLS, (ours, theirs), strict=True))
            rows = []
            for name, work in (("independent calls", _independent), ("wait for all", _waited_for), ("map", _mapped)):
                row = Row(f"{name}/s, {children} workers", "1/s", higher_is_better=True)
                rows.append(in_turn(row, {n: partial(rate, calls, partial(work, p)) for n, p in pools.items()}, rounds))
            row = Row(f"submit, {children} workers", "us", higher_is_better=False)
            rows.append(in_turn(row, {n: partial(_submit_us, p, calls) for n, p in pools.items()}, rounds))
            row = Row(f"round trip, {children} workers", "us", higher_is_better=False)
            once = {n: partial(lambda p: p.submit(noop).result(), p) for n, p in pools.items()}
            rows.append(in_turn(row, {n: partial(median_us, trips, o) for n, o in once.items()}, rounds))
    return rows


def main() -> None:
    """Runs what the command line describes and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.executor", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    print(f"| calls | {' | '.join(_POOLS)} | ratio |\n| --- | --- | --- | --- |")
    for children in (1, 2, 8):
        for row in run(children, given.rounds, given.scale):
            cells = [f"{statistics.median(row.figures[name]):,.0f} {row.unit}" for name in _POOLS]
            print(f"| {row.name} | {' | '.join(cells)} | {row.ratio_to(_POOLS[1]):.1f}x |", flush=True)


if __name__ == "__main__":
    main()
