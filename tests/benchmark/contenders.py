"""The same work done by Callring, by the pools of the standard library, and by other peers where they are installed."""

from __future__ import annotations

import importlib.util
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import cloudpickle
import numpy as np

from runtime import Tag, TaskArgs, Worker
from tests.benchmark.measure import Effort, Row, interleaved


def noop(_: Any = None) -> None:
    """An empty task: measures the overhead."""


def call_pickled(pickled: bytes) -> Any:
    """How a pool runs a function that its children have never seen."""
    return cloudpickle.loads(pickled)(None)


def rate(count: int, work: Callable[[int], None]) -> float:
    """Tasks per second."""
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


def total(array: Any) -> float:
    """Reads one number of an array."""
    return float(array[0])


def total_of_first(args: Any) -> float:
    """Reads one number of the first argument of a Callring task."""
    return float(args[0][0])


class Ours:
    """Callring with Python sub-workers."""

    slowness = 1

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

    def chain(self, count: int) -> None:
        """Tasks that each depend on the one before."""

        def orchestrate(o: Any) -> None:
            task = o.submit_sub(self.handle)
            for _ in range(count - 1):
                task = o.submit_sub(self.handle, after=[task])

        self.worker.run(orchestrate)

    def fan(self, width: int) -> None:
        """One task, ``width`` tasks that depend on it, and one that depends on all of these."""

        def orchestrate(o: Any) -> None:
            first = o.submit_sub(self.handle)
            o.submit_sub(self.handle, after=[o.submit_sub(self.handle, after=[first]) for _ in range(width)])

        self.worker.run(orchestrate)

    def array_us(self, size: int, count: int) -> float:
        """Median of a task with an array of ``size`` bytes."""
        handle = self.worker.register(total_of_first)
        tensor = self.worker.zeros(size // 8, "float64")
        args = TaskArgs((tensor, Tag.INPUT))
        try:
            return self.worker.run(lambda o: median_us(count, lambda: o.submit_sub(handle, args).result()))
        finally:
            self.worker.unregister(handle)

    def new_function(self) -> None:
        """Registers a function that is new to all children, and removes it again."""
        marker = time.perf_counter_ns()
        self.worker.unregister(self.worker.register(lambda args: marker))

    def close(self) -> None:
        """Ends the children."""
        self.worker.close()


class Pooled:
    """A pool that accepts calls and returns futures; the caller itself waits where a task depends on another."""

    children: int
    slowness = 1  # divides the amount of work that this pool is measured with

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        raise NotImplementedError

    def result(self, future: Any) -> Any:
        """Waits for a call."""
        return future.result()

    def follow(self, futures: list[Any], function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call that takes the results of other calls, behind its arguments."""
        return self.submit(function, *args, *(self.result(future) for future in futures))

    def many(self, count: int) -> None:
        """Independent tasks, submitted one by one."""
        for future in [self.submit(noop) for _ in range(count)]:
            self.result(future)

    def round_trips(self, count: int) -> float:
        """Median of a submit and its result."""
        return median_us(count, lambda: self.result(self.submit(noop)))

    def chain(self, count: int) -> None:
        """Tasks that each begin when the one before has ended."""
        for _ in range(count):
            self.result(self.submit(noop))

    def fan(self, width: int) -> None:
        """One task, ``width`` tasks after it, and one after all of these."""
        self.chain(1)
        self.many(width)
        self.chain(1)

    def array_us(self, size: int, count: int) -> float:
        """Median of a task with an array of ``size`` bytes."""
        array = np.zeros(size // 8)
        return median_us(count, lambda: self.result(self.submit(total, array)))

    def new_function(self) -> None:
        """A pool has no registration: the function travels with each task, once to every child here."""
        pickled = cloudpickle.dumps(lambda args: None)
        for future in [self.submit(call_pickled, pickled) for _ in range(self.children)]:
            self.result(future)


class Executor(Pooled):
    """concurrent.futures.ProcessPoolExecutor."""

    def __init__(self, children: int) -> None:
        self.children = children
        self.pool = ProcessPoolExecutor(children, mp_context=multiprocessing.get_context("fork"))
        self.many(children * 4)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        return self.pool.submit(function, *args)

    def close(self) -> None:
        """Ends the children."""
        self.pool.shutdown()


class Pool(Pooled):
    """multiprocessing.Pool."""

    def __init__(self, children: int) -> None:
        self.children = children
        self.pool = multiprocessing.get_context("fork").Pool(children)
        self.many(children * 4)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        return self.pool.apply_async(function, args)

    def result(self, future: Any) -> Any:
        """Waits for a call."""
        return future.get()

    def close(self) -> None:
        """Ends the children."""
        self.pool.close()
        self.pool.join()


def installed_peers(effort: Effort) -> dict[str, Callable[[int], Any]]:
    """The peers of the extra ``peers`` (loky, Ray and Dask) that are installed and not left out."""
    if not effort.peers:
        return {}
    from tests.benchmark import peers

    return {name: kind for name, kind in peers.PEERS.items() if importlib.util.find_spec(name.lower())}


CONTENDERS: dict[str, Callable[[int], Any]] = {
    "callring": Ours,
    "ProcessPoolExecutor": Executor,
    "multiprocessing.Pool": Pool,
}


@contextmanager
def all_started(children: int) -> Iterator[dict[str, Any]]:
    """All of CONTENDERS, warmed up. The pools start first: they fork, and must not while Callring's threads run."""
    made: dict[str, Any] = {}
    try:
        for name in reversed(CONTENDERS):
            made[name] = CONTENDERS[name](children)
        yield {name: made[name] for name in CONTENDERS}
    finally:
        for contender in made.values():
            contender.close()


def compare(row: Row, children: int, measure: Callable[[Any], float], effort: Effort) -> Row:
    """Measures CONTENDERS interleaved, then each peer alone: some peers use much processor time when they are idle."""
    with all_started(children) as started:
        interleaved(row, {name: partial(measure, contender) for name, contender in started.items()}, effort.rounds)
    for name, kind in installed_peers(effort).items():
        contender = kind(children)
        try:
            row.figures[name] = [measure(contender) for _ in range(effort.rounds)]
        finally:
            contender.close()
    return row
