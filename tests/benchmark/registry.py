"""``python -m tests.benchmark.registry``: what it costs to give eight children a new function and to take it away.

Idle, and while every child executes a long task: one that sleeps, and one that never lets go of the interpreter (eight
of those want eight cores). Beside it what the pools of the standard library take for a function that is new to them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime import ArgDirection, Tag, TaskArgs, Tensor, Worker
from runtime.chip_callable import ChipCallable, CoreCallable
from runtime.toolchain import build_chip_callable
from tests.benchmark.contenders import NOOP_KERNEL, all_started, median_us, noop
from tests.benchmark.measure import Row, in_turn
from tests.benchmark.table import document, table

CHILDREN = 8
SLEEP_KERNEL = """#include <callring/chip.h>
#include <unistd.h>
CALLRING_SIGNATURE(until, CALLRING_IN);
CALLRING_EXPORT int until(const callring_block *, const callring_args *args) {
    const volatile double *over = static_cast<const double *>(args->tensors[0].data);
    while (*over == 0) { usleep(10000); }
    return 0;
}
"""


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
    """Within the block every child executes a task of ``submit`` that does not end."""
    over: Tensor = worker.zeros(1, "float64")
    run = worker.submit(lambda o: [submit(o, TaskArgs((over, Tag.NO_DEP)), i) for i in range(CHILDREN)] and None)
    threading.Event().wait(0.1)  # until all have begun
    try:
        yield
    finally:
        over.numpy()[0] = 1
        run.result(60)


def python_rows(rounds: int, count: int) -> list[Row]:
    """Functions on sub-workers, and the pools."""
    new = Row("new function on 8 children", "us", higher_is_better=False)
    duplicate = Row("one more registration of it", "us", higher_is_better=False)
    rows = [new, duplicate]
    with all_started(CHILDREN) as started:
        in_turn(new, {n: lambda c=c: median_us(count, c.new_function) for n, c in started.items()}, rounds)
        worker, fresh = started["callring"].worker, started["callring"].new_function

        def again() -> None:
            worker.unregister(worker.register(noop))

        in_turn(duplicate, {"callring": lambda: median_us(count, again)}, rounds)
        for name, task in (("sleeps", sleeping), ("computes", computing)):
            handle = worker.register(task)
            with busy(worker, lambda o, args, i, handle=handle: o.submit_sub(handle, args)):
                for what, once in (("new function", fresh), ("one more registration", again)):
                    row = Row(f"{what}, every child {name}", "us", higher_is_better=False)
                    rows.append(in_turn(row, {"callring": lambda once=once: median_us(count, once)}, rounds))
            worker.unregister(handle)
    return rows


def chip_rows(rounds: int, count: int, folder: Path) -> list[Row]:
    """Chip callables on chips; a label makes each of them a new one."""
    (folder / "noop.cpp").write_text(NOOP_KERNEL)
    (folder / "until.cpp").write_text(SLEEP_KERNEL)
    kernel = build_chip_callable(folder / "noop.cpp", signature=[], platform="a2a3sim")
    until = build_chip_callable(folder / "until.cpp", signature=[ArgDirection.IN], platform="a2a3sim")
    numbered = (variant(kernel, i) for i in range(1 << 30))
    rows = []
    with Worker(chips=CHILDREN) as worker:
        kept, until_handle = worker.register(kernel), worker.register(until)
        for name in ("", ", every chip executes"):
            measures = {
                f"new chip callable on 8 chips{name}": lambda: worker.unregister(worker.register(next(numbered))),
                f"one more registration of a chip callable{name}": lambda: worker.unregister(worker.register(kernel)),
            }

            def measure(measures=measures) -> None:
                for what, once in measures.items():
                    row = Row(what, "us", higher_is_better=False)
                    rows.append(in_turn(row, {"callring": lambda once=once: median_us(count, once)}, rounds))

            if not name:
                measure()
                continue
            with busy(worker, lambda o, args, i: o.submit_next_level(until_handle, args, worker=i)):
                measure()
        worker.unregister(kept)
    return rows


def variant(kernel: ChipCallable, number: int) -> ChipCallable:
    """The same kernel under another label: another blob, and so another callable."""
    (part,) = kernel.kernels
    labelled = CoreCallable.build(
        name=part.name, signature=part.signature, binary=part.binary, core_kind=f"aiv_{number}"
    )
    return ChipCallable.build(entry=kernel.entry, signature=kernel.signature, kernels=[labelled])


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.registry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each, in turn")
    parser.add_argument("--count", type=int, default=100, help="registrations a measurement")
    parser.add_argument("--json", type=Path, help="write results in pytest-benchmark's shape")
    options = parser.parse_args()
    rows = python_rows(options.rounds, options.count)
    with tempfile.TemporaryDirectory() as folder:
        rows += chip_rows(options.rounds, options.count, Path(folder))
    print("\n".join(table(rows)))
    if options.json:
        options.json.write_text(json.dumps(document(rows), indent=1))


if __name__ == "__main__":
    main()
