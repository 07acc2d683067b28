"""The same work done by Callring and by the pools of the standard library."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle

from runtime import CallConfig, TaskArgs, Worker
from runtime.toolchain import build_chip_callable

NOOP_KERNEL = """#include <callring/chip.h>
CALLRING_SIGNATURE(noop);
CALLRING_EXPORT int noop(const callring_block *, const callring_args *) { return 0; }
"""


def noop(_: Any = None) -> None:
    """The task that measures everything but itself."""


def call_pickled(pickled: bytes) -> Any:
    """How a pool runs a function that its children have never seen."""
    return cloudpickle.loads(pickled)(None)


def rate(count: int, work: Callable[[int], None]) -> float:
    """Tasks a second."""
    begin = time.perf_counter()
    work(count)
    return count / (time.perf_counter() - begin)


def median_us(count: int, once: Callable[[], None]) -> float:
    """Median duration of one call in microseconds."""
    durations = []
    for _ in range(count):
        begin = time.perf_counter()
        once()
        durations.append(time.perf_counter() - begin)
    return sorted(durations)[count // 2] * 1e6


class Ours:
    """Callring with Python sub-workers."""

    def __init__(self, children: int) -> None:
        self.worker = Worker(sub_workers=children).init()
        self.handle = self.worker.register(noop)
        self.many(children * 4)

    def many(self, count: int) -> None:
        """Independent tasks, submitted one by one."""

        def orchestrate(o: Any) -> None:
            for _ in range(count):
                o.submit_sub(self.handle)

        self.worker.run(orchestrate)

    def round_trips(self, count: int) -> float:
        """Median of a submit and its result."""
        return self.worker.run(lambda o: median_us(count, lambda: o.submit_sub(self.handle).result()))

    def new_function(self) -> None:
        """A function that no child has seen, usable in all of them, and gone again."""
        marker = time.perf_counter_ns()
        self.worker.unregister(self.worker.register(lambda args: marker))

    def close(self) -> None:
        """Ends the children."""
        self.worker.close()


class Executor:
    """concurrent.futures.ProcessPoolExecutor."""

    def __init__(self, children: int) -> None:
        self.children = children
        self.pool = ProcessPoolExecutor(children, mp_context=multiprocessing.get_context("fork"))
        self.many(children * 4)

    def many(self, count: int) -> None:
        """Independent tasks, submitted one by one."""
        for future in [self.pool.submit(noop) for _ in range(count)]:
            future.result()

    def round_trips(self, count: int) -> float:
        """Median of a submit and its result."""
        return median_us(count, lambda: self.pool.submit(noop).result())

    def new_function(self) -> None:
        """A pool has no registration: the function travels with each task, once to every child here."""
        pickled = cloudpickle.dumps(lambda args: None)
        for future in [self.pool.submit(call_pickled, pickled) for _ in range(self.children)]:
            future.result()

    def close(self) -> None:
        """Ends the children."""
        self.pool.shutdown()


class Pool:
    """multiprocessing.Pool."""

    def __init__(self, children: int) -> None:
        self.children = children
        self.pool = multiprocessing.get_context("fork").Pool(children)
        self.many(children * 4)

    def many(self, count: int) -> None:
        """Independent tasks, submitted one by one."""
        for result in [self.pool.apply_async(noop) for _ in range(count)]:
            result.get()

    def round_trips(self, count: int) -> float:
        """Median of a submit and its result."""
        return median_us(count, lambda: self.pool.apply_async(noop).get())

    def new_function(self) -> None:
        """As for the executor."""
        pickled = cloudpickle.dumps(lambda args: None)
        for result in [self.pool.apply_async(call_pickled, (pickled,)) for _ in range(self.children)]:
            result.get()

    def close(self) -> None:
        """Ends the children."""
        self.pool.close()
        self.pool.join()


CONTENDERS: dict[str, type[Ours | Executor | Pool]] = {
    "callring": Ours,
    "ProcessPoolExecutor": Executor,
    "multiprocessing.Pool": Pool,
}


@contextmanager
def all_started(children: int) -> Iterator[dict[str, Any]]:
    """All contenders, warm. The pools first: they fork, and must not do so beside our threads."""
    made: dict[str, Any] = {}
    try:
        for name in ("multiprocessing.Pool", "ProcessPoolExecutor", "callring"):
            made[name] = CONTENDERS[name](children)
        yield {name: made[name] for name in CONTENDERS}
    finally:
        for contender in made.values():
            contender.close()


@contextmanager
def chips(count: int, folder: Path) -> Iterator[Callable[[int], None]]:
    """A function that runs so many no-op chip tasks, submitted one by one from Python."""
    source = folder / "noop.cpp"
    source.write_text(NOOP_KERNEL)
    with Worker(chips=count) as worker:
        handle = worker.register(build_chip_callable(source, signature=[], platform="a2a3sim"))
        config, args = CallConfig(block_count=1), TaskArgs()

        def many(tasks: int) -> None:
            def orchestrate(o: Any) -> None:
                for i in range(tasks):
                    o.submit_next_level(handle, args, config, worker=i % count)

            worker.run(orchestrate)

        many(100)
        yield many
