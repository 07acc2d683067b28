"""``python -m tests.benchmark.executor``: measures runtime.Executor and other pools with the same calls, interleaved.

The other pools are ProcessPoolExecutor (fork), and loky if it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import runtime
from tests.benchmark.contenders import median_us, noop, rate
from tests.benchmark.measure import OURS, Row, duration, interleaved, per_second

if TYPE_CHECKING:
    import numpy.typing as npt

_FORK = "ProcessPoolExecutor"


def _forked(children: int) -> Executor:
    return ProcessPoolExecutor(children, mp_context=multiprocessing.get_context("fork"))


def _loky(children: int) -> Executor:
    from loky import ProcessPoolExecutor as Loky

    return Loky(children)


def contenders() -> dict[str, Callable[[int], Executor]]:
    """A constructor for each installed pool. Callring is last: the others must not fork while its threads run."""
    others = {"loky": _loky} if importlib.util.find_spec("loky") else {}
    return {_FORK: _forked, **others, OURS: runtime.Executor}


def megabyte(size: int) -> bytes:
    """A new result for each call."""
    return bytes(size)


def array(size: int) -> npt.NDArray[np.uint8]:
    """A new array for each call."""
    return np.ones(size, np.uint8)


def _results(pool: Executor, count: int, size: int, make: Callable[[int], object] = megabyte) -> None:
    for future in [pool.submit(make, size) for _ in range(count)]:
        future.result()


def _returned_ms(pool: Executor, count: int, size: int) -> float:
    """Milliseconds of this process's processor time for each array."""
    pool.submit(array, size).result()
    begin = time.process_time()
    for _ in range(count):
        pool.submit(array, size).result()
    return (time.process_time() - begin) / count * 1e3


def _started_ms(make: Callable[[int], Executor], children: int) -> float:
    """Milliseconds from the start of a pool to the results of the first calls."""
    begin = time.perf_counter()
    pool = make(children)
    wait([pool.submit(noop) for _ in range(children)])
    taken = time.perf_counter() - begin
    pool.shutdown()
    return taken * 1e3


@contextmanager
def _all(children: int) -> Iterator[dict[str, Executor]]:
    with ExitStack() as stack:
        pools = {}
        for name, make in contenders().items():
            pools[name] = stack.enter_context(make(children))
            _independent(pools[name], children * 4)
        yield pools


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
    taken = time.perf_counter() - begin
    wait(futures)
    return taken / count * 1e6


def run(children: int, rounds: int, scale: float) -> list[Row]:
    """Measures everything with ``children`` workers; ``scale`` shrinks the amount of work."""
    calls, trips, large = max(50, int(20_000 * scale)), max(20, int(2_000 * scale)), max(10, int(400 * scale))
    row = duration(f"start to first results, {children} workers", "ms")
    rows = [interleaved(row, {n: partial(_started_ms, make, children) for n, make in contenders().items()}, rounds)]
    with _all(children) as pools:
        for name, work in (("independent calls", _independent), ("wait for all", _waited_for), ("map", _mapped)):
            row = per_second(f"{name}, {children} workers")
            rows.append(interleaved(row, {n: partial(rate, calls, partial(work, p)) for n, p in pools.items()}, rounds))
        for size, text in ((100_000, "100 kB"), (1_000_000, "1 MB"), (10_000_000, "10 MB")):
            row = per_second(f"results of {text}, {children} workers")
            count = max(4, large * 1_000_000 // max(size, 1_000_000))
            works = {n: partial(rate, count, partial(_results, p, size=size)) for n, p in pools.items()}
            rows.append(interleaved(row, works, rounds))
        for size, text in ((100_000, "100 kB"), (1_000_000, "1 MB"), (16_000_000, "16 MB")):
            row = per_second(f"arrays of {text}, {children} workers")
            count = max(4, large * 1_000_000 // max(size, 1_000_000))
            works = {n: partial(rate, count, partial(_results, p, size=size, make=array)) for n, p in pools.items()}
            rows.append(interleaved(row, works, rounds))
        row = duration(f"processor time of the caller for an array of 16 MB, {children} workers", "ms")
        rows.append(
            interleaved(row, {n: partial(_returned_ms, p, count, 16_000_000) for n, p in pools.items()}, rounds)
        )
        row = duration(f"submit, {children} workers", "us")
        rows.append(interleaved(row, {n: partial(_submit_us, p, calls) for n, p in pools.items()}, rounds))
        row = duration(f"round trip, {children} workers", "us")
        once = {n: partial(lambda p: p.submit(noop).result(), p) for n, p in pools.items()}
        rows.append(interleaved(row, {n: partial(median_us, trips, o) for n, o in once.items()}, rounds))
    return rows


def main() -> None:
    """Runs what the command line describes and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.executor", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    names = list(contenders())
    print(f"| calls | {' | '.join(names)} | to {_FORK} |\n| --- |{' --- |' * (len(names) + 1)}")
    for children in (1, 2, 8):
        for row in run(children, given.rounds, given.scale):
            medians = [statistics.median(row.figures[name]) for name in names]
            cells = [f"{value:,.{0 if value >= 10 else 2}f} {row.unit}" for value in medians]
            print(f"| {row.name} | {' | '.join(cells)} | {row.ratio_to(_FORK):.2f}x |", flush=True)


if __name__ == "__main__":
    main()
