"""``python -m tests.benchmark.registry``: the time to register a new function on eight children and to unregister it.

Both are measured while the children are idle, and while every child executes a long task: one that sleeps, and one that
never releases the interpreter's lock (eight such tasks need eight cores). For comparison, the standard library's pools
are measured with a new function too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from runtime import Tag, TaskArgs, Tensor, Worker
from tests.benchmark import kernels
from tests.benchmark.contenders import all_started, median_us, noop
from tests.benchmark.measure import OURS, Row, duration, interleaved
from tests.benchmark.table import document, table

CHILDREN = 8


def sleeping(args) -> None:
    """Sleeps until its cell is set."""
    import time

    while not args[0][0]:
        time.sleep(0.05)


def computing(args) -> None:
    """Computes, without a pause, until its cell is set."""
    while not args[0][0]:
        sum(range(1000))


@contextmanager
def busy(worker: Worker, submit: Callable[[object, TaskArgs, int], object]) -> Iterator[None]:
    """Within the block every child executes a task that ``submit`` has submitted; the tasks end with the block."""
    over: Tensor = worker.zeros(1, "float64")
    run = worker.submit(lambda o: [submit(o, TaskArgs((over, Tag.NO_DEP)), i) for i in range(CHILDREN)] and None)
    threading.Event().wait(0.1)  # waits until all have begun
    try:
        yield
    finally:
        over.numpy()[0] = 1
        run.result(60)


def ours(what: str, once: Callable[[], object], rounds: int, count: int) -> Row:
    """A row without peers."""
    return interleaved(duration(what, "us"), {OURS: lambda: median_us(count, once)}, rounds)


def python_rows(rounds: int, count: int) -> list[Row]:
    """Functions on sub-workers, and the pools."""
    with all_started(CHILDREN) as started:
        worker, fresh = started[OURS].worker, started[OURS].new_function

        def again() -> None:
            worker.unregister(worker.register(noop))

        measures = {name: lambda c=contender: median_us(count, c.new_function) for name, contender in started.items()}
        rows = [
            interleaved(duration("new function on 8 children", "us"), measures, rounds),
            ours("one more registration of it", again, rounds, count),
        ]
        for name, task in (("sleeps", sleeping), ("computes", computing)):
            handle = worker.register(task)
            with busy(worker, lambda o, args, i, handle=handle: o.submit_sub(handle, args)):
                rows.append(ours(f"new function, every child {name}", fresh, rounds, count))
                rows.append(ours(f"one more registration, every child {name}", again, rounds, count))
            worker.unregister(handle)
    return rows


def chip_rows(rounds: int, count: int) -> list[Row]:
    """Chip callables on chips; a new label makes a new callable."""
    kernel = kernels.noop()
    numbered = (kernels.variant(kernel, i) for i in itertools.count())
    rows = []
    with Worker(chips=CHILDREN) as worker:
        kept, until = worker.register(kernel), worker.register(kernels.until())

        def fresh() -> None:
            worker.unregister(worker.register(next(numbered)))

        def again() -> None:
            worker.unregister(worker.register(kernel))

        for name in ("", ", every chip executes"):
            with busy(worker, lambda o, args, i: o.submit_next_level(until, args, worker=i)) if name else nullcontext():
                rows.append(ours(f"new chip callable on 8 chips{name}", fresh, rounds, count))
                rows.append(ours(f"one more registration of a chip callable{name}", again, rounds, count))
        worker.unregister(kept)
    return rows


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.registry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each row, interleaved")
    parser.add_argument("--count", type=int, default=100, help="registrations per measurement")
    parser.add_argument("--json", type=Path, help="write the results in pytest-benchmark's format")
    options = parser.parse_args()
    rows = [*python_rows(options.rounds, options.count), *chip_rows(options.rounds, options.count)]
    print("\n".join(table(rows)))
    if options.json:
        options.json.write_text(json.dumps(document(rows), indent=1))


if __name__ == "__main__":
    main()
