"""Executor: the concurrent.futures contract over the sub-workers of a Worker.

Unlike ``ProcessPoolExecutor`` it never becomes broken: a worker that dies fails only the call that it was running, with
WorkerLost (also a ``concurrent.futures.BrokenExecutor``), or the call is begun again if the Executor was told that this
is allowed (``retries``). A fresh worker takes the place of the dead one.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import math
import os
import sys
import time
import weakref
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from runtime import numbers
from runtime.call_stream import CallStream, Future
from runtime.errors import ConfigurationError
from runtime.numbers import integer, whole
from runtime.options import CallConfig, WorkerOptions
from runtime.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Executor(concurrent.futures.Executor):
    """Calls Python functions in sub-workers.

    Args:
        workers: a started Worker, whose sub-workers are shared with its other users and outlive the Executor; or how
            many sub-workers to start for this Executor alone, None for one per processor.
        max_workers: the same number by the name that ``ProcessPoolExecutor`` gives it.
        initializer: called once in each worker process, replacements included, before its first call of this Executor.
        initargs: its arguments.
        retries: how often a call may be begun again when its worker dies: declares all calls idempotent.
        deadline: how many seconds a call may take, from when a worker begins it; one that takes longer fails with
            TaskTimeout, and its worker is replaced. None: as long as it likes.
        options: of the Worker that is started for this Executor alone.

    Raises:
        ConfigurationError: no sub-worker, an impossible number, or two ways of saying where to run.
        StartError: a sub-worker did not start.
        TypeError: the initializer is not callable. Whatever pickling it raises.
        WorkerClosed: the Worker was closed, or not started.

    Example:
        >>> with Executor(max_workers=2) as executor:
        ...     executor.submit(pow, 2, 10).result()
        1024
    """

    def __init__(
        self,
        workers: Worker | int | None = None,
        *,
        max_workers: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        retries: int = 0,
        deadline: float | None = None,
        options: WorkerOptions | None = None,
    ) -> None:
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        config = CallConfig(retries=retries, deadline=deadline)
        worker, owned = _worker_of(workers, max_workers, options)
        try:
            if owned:
                worker.init()
            self._stream = CallStream(worker, owned, initializer, tuple(initargs), config)
        except BaseException:
            if owned:
                worker.close()
            raise
        # Who drops an Executor without shutting it down gets what was submitted done, as from CPython's.
        self._finalizer = weakref.finalize(self, self._stream.seal, "cannot schedule new futures after shutdown")
        self._finalizer.atexit = False

    @property
    def worker(self) -> Worker:
        """The Worker behind it: its ``children`` tell of processes, replacements and what they have installed."""
        return self._stream.worker

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Calls ``fn(*args, **kwargs)`` in a sub-worker.

        A function that its module knows by name is sent as it is at its first submit; whatever else (a lambda, a bound
        method), and the arguments, as they are now. What cannot be pickled fails the future.

        Returns:
            A future whose ``hashid`` names the function.

        Raises:
            RuntimeError: after shutdown.
            BackPressureTimeout: ``WorkerOptions.max_pending_tasks`` are pending and none ends.
            WorkerGivenUp: no sub-worker can be started any more, or each died more often than ``max_restarts`` allows.
            WorkerClosed: the Worker was closed.
        """
        return self._stream.submit(fn, lambda pickler: pickler.pack(fn, args, kwargs))

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[_T]:
        """Like ``map(fn, *iterables)``, in order, with the calls made in sub-workers.

        Args:
            fn: takes as many arguments as there are iterables.
            iterables: read at once, unless ``buffersize`` bounds how far ahead.
            timeout: seconds from now for all results together.
            chunksize: how many calls make one task.
            buffersize: most tasks that are submitted and whose results have not been taken; None: no bound.

        Raises:
            TimeoutError: from the iterator, when the time is over.
            The first exception of a call, from the iterator. The calls that have not begun are then cancelled.
            ValueError: chunksize or buffersize is less than 1. As submit.
        """
        chunksize = _positive("chunksize", chunksize, "chunksize must be >= 1.")
        if buffersize is not None:
            buffersize = _positive("buffersize", buffersize, "buffersize must be None or > 0")
        timeout = numbers.timeout(timeout)
        end = None if timeout is None else time.monotonic() + timeout
        chunks = _chunks(zip(*iterables, strict=False), chunksize)
        stream = self._stream  # a generator that is never finished must not keep the Executor from being dropped
        futures = deque(_submit_chunk(stream, fn, chunk) for chunk in itertools.islice(chunks, buffersize))

        def results() -> Iterator[_T]:
            try:
                while futures:
                    if buffersize is not None and (chunk := next(chunks, None)) is not None:
                        futures.append(_submit_chunk(stream, fn, chunk))
                    values = _taken(futures.popleft(), end)
                    values.reverse()
                    while values:
                        yield values.pop()  # no reference to a value stays here
            finally:
                for future in futures:
                    future.cancel()

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accepts nothing more; what was submitted is done all the same.

        Args:
            wait: return when every future is done and, if the Executor started its Worker, the Worker is closed.
            cancel_futures: cancel what has not begun.
        """
        self._stream.seal("cannot schedule new futures after shutdown")
        if cancel_futures:
            self._stream.cancel_all()
        if wait:
            self._stream.join()

    def __repr__(self) -> str:
        """Names the Worker."""
        return f"<Executor over {self._stream.worker!r}>"


def _worker_of(
    workers: Worker | int | None, max_workers: int | None, options: WorkerOptions | None
) -> tuple[Worker, bool]:
    """The Worker, and whether it was made here."""
    if workers is not None and max_workers is not None:
        raise ConfigurationError("give a Worker or a number of workers, not both")
    if isinstance(workers, Worker):
        if options is not None:
            raise ConfigurationError("options: those of a Worker that you give are set where it is made")
        if not workers.sub_workers:
            raise ConfigurationError("an Executor needs sub-workers, and this Worker has none (sub_workers=0)")
        return workers, False
    count = max_workers if workers is None else workers
    if count is None:
        count = len(os.sched_getaffinity(0))
    count = _positive("max_workers", count, f"max_workers must be greater than 0, not {count}")
    options = options or WorkerOptions()
    if options.max_restarts is None:
        options = replace(options, max_restarts=math.inf)  # what a call does to its worker never ends the pool
    return Worker(level=3, chips=0, sub_workers=count, options=options), True


def _positive(name: str, value: Any, words: str) -> int:
    """``value`` as an int from 1; one that is less is refused in the words of CPython's executors."""
    number = whole(value)
    if number is not None and number < 1:
        raise ConfigurationError(words)
    return integer(name, value, 1, sys.maxsize)


def _chunks(calls: Iterator[tuple[Any, ...]], size: int) -> Iterator[tuple[tuple[Any, ...], ...]]:
    while chunk := tuple(itertools.islice(calls, size)):
        yield chunk


def _submit_chunk(stream: CallStream, fn: Callable[..., _T], chunk: tuple[tuple[Any, ...], ...]) -> Future[list[_T]]:
    return stream.submit(fn, lambda pickler: pickler.pack_chunk(fn, chunk))


def _taken(future: Future[_T], end: float | None) -> _T:
    """The future's result, within what is left of the time; one that is not there in time is cancelled."""
    try:
        return future.result(None if end is None else end - time.monotonic())
    finally:
        future.cancel()
        del future
