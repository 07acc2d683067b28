"""Executor: the concurrent.futures contract over the sub-workers of a Worker.

Unlike ``ProcessPoolExecutor`` it never becomes broken. When a worker dies, only the call that it was running fails,
with WorkerLost (also a ``concurrent.futures.BrokenExecutor``), or begins again if ``retries`` of the Executor allows
it. A fresh worker replaces the dead one.
"""

from __future__ import annotations

import concurrent.futures
import math
import os
import signal
import sys
import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from runtime import _core, numbers, pickled_names
from runtime.errors import ConfigurationError
from runtime.executor.call_stream import CallStream
from runtime.executor.future import Future
from runtime.executor.mapped_calls import Ask, in_order, unordered_as_they_end
from runtime.executor.pickled_call import CallPickler, Calls
from runtime.numbers import integer, shown, whole
from runtime.options import CallConfig, WorkerOptions
from runtime.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.context import BaseContext

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Executor(concurrent.futures.Executor):
    """Calls Python functions in sub-workers. Takes the arguments of ``ProcessPoolExecutor``, in their order.

    Args:
        workers: a started Worker, whose sub-workers are shared with its other users and outlive the Executor; or the
            number of sub-workers to start for this Executor alone; None: one per processor.
        mp_context: None, or a context of ``multiprocessing`` that starts processes by "spawn" or "forkserver". As these
            methods promise, workers inherit nothing from this process: they are forked from a server process.
        initializer: called once in each worker process, replacements included, before its first call of this Executor.
        initargs: its arguments.
        max_workers: the number of workers by the name that ``ProcessPoolExecutor`` gives it.
        max_tasks_per_child: how many calls of this Executor (chunks, of ``map``) a worker process executes before a
            fresh one takes its place; None: any number.
        retries: how often a call may begin again when its worker dies. More than 0 declares all calls idempotent.
        deadline: how many seconds a call may take after a worker has begun it. A call that takes longer fails with
            TaskTimeout, and its worker is replaced. None: no limit.
        options: those of the Worker that is started for this Executor alone.

    Raises:
        ConfigurationError: no sub-worker, a number out of range, an ``mp_context`` that forks, or both a Worker and a
            number of workers.
        PartialFailureError: a worker could not load the initializer; the message has the error. Or no worker has loaded
            it, and five processes of one worker in a row died or took longer than ``WorkerOptions.start_timeout`` at
            their start; the message says how the last one ended.
        StartError: a sub-worker did not start.
        TypeError: the initializer is not callable, or an argument that must be a number is not one. Also every error
            of pickling the initializer.
        WorkerClosed: the Worker was closed, or not started.

    Example:
        >>> with Executor(max_workers=2) as executor:
        ...     executor.submit(pow, 2, 10).result()
        1024
    """

    def __init__(
        self,
        workers: Worker | int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_workers: int | None = None,
        max_tasks_per_child: int | None = None,
        retries: int = 0,
        deadline: float | None = None,
        options: WorkerOptions | None = None,
    ) -> None:
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        _check_context(mp_context)
        _check_calls(max_tasks_per_child)
        self._limits = CallConfig(retries=retries, deadline=deadline)
        worker, owned = _worker_of(workers, max_workers, options)
        try:
            if owned:
                worker.init()
            self._stream = CallStream(worker, owned, Calls(initializer, tuple(initargs), max_tasks_per_child))
        except BaseException:
            if owned:
                worker.close()
            raise
        # An Executor that is dropped without shutdown() still executes its submitted calls, as CPython's executors do.
        self._finalizer = weakref.finalize(self, self._stream.seal, "cannot schedule new futures after shutdown")
        self._finalizer.atexit = False
        self._config = _native(self._limits)

    @property
    def worker(self) -> Worker:
        """The Worker of this Executor: its ``children`` show processes, replacements and installed callables."""
        return self._stream.worker

    @property
    def _max_workers(self) -> int:
        """How many calls run at once, under the private name that users of the standard library's pools read."""
        return self._stream.worker.sub_workers

    def with_options(self, *, retries: int | None = None, deadline: float | None = None) -> Self:
        """Returns a view of this Executor whose calls have their own retries and deadline.

        Args:
            retries, deadline: as for the Executor; None: those of the Executor. ``math.inf``: no deadline.

        Returns:
            An Executor over the same workers. A shutdown of one of the two shuts down both.

        Raises:
            ConfigurationError: a value is out of range.
        """
        bound = self._limits.deadline if deadline is None else deadline
        other = type(self).__new__(type(self))
        other._limits = CallConfig(
            retries=self._limits.retries if retries is None else retries, deadline=None if bound == math.inf else bound
        )
        other._config = _native(other._limits)
        other._stream = self._stream
        other._finalizer = self._finalizer
        other._whole = self  # type: ignore[attr-defined] # if `self` were freed, its finalizer would seal the stream
        return other

    # ---- calls -----------------------------------------------------------------------------------------------------

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Calls ``fn(*args, **kwargs)`` in a sub-worker.

        A function that its module has under its name is pickled once, at its first submit. Any other callable (a
        lambda, a bound method) and the arguments are pickled now. If pickling fails, the future fails.

        Returns:
            A future whose ``hashid`` names the function.

        Raises:
            RuntimeError: after shutdown.
            BackPressureTimeout: ``WorkerOptions.max_pending_tasks`` are pending and none ends.
            WorkerGivenUp: no sub-worker can be started any more, or each died more often than ``max_restarts`` allows.
            WorkerClosed: the Worker was closed.
        """
        return self._stream.submit(fn, lambda pickler: pickler.pack(fn, args, kwargs), self._config)

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        unordered: bool = False,
    ) -> Iterator[_T]:
        """Like ``map(fn, *iterables)``, with calls that run in sub-workers.

        Args:
            fn: takes as many arguments as there are iterables.
            iterables: read at once, or, with ``buffersize``, only as far ahead as it allows.
            timeout: seconds from now for all results together.
            chunksize: number of calls in each task.
            buffersize: most tasks that are submitted and whose results are not consumed yet; None: no bound.
            unordered: yield each result as soon as its task has ended, instead of in the order of the arguments.

        Raises:
            TimeoutError: from the iterator, after ``timeout`` seconds.
            The first exception of a call, from the iterator. The calls that have not begun are then cancelled.
            TypeError: buffersize is neither an integer nor None.
            ValueError: chunksize or buffersize is less than 1. Also the errors of submit.
        """
        return self.starmap(
            fn,
            zip(*iterables, strict=False),
            timeout=timeout,
            chunksize=chunksize,
            buffersize=buffersize,
            unordered=unordered,
        )

    def starmap(
        self,
        fn: Callable[..., _T],
        arguments: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        unordered: bool = False,
    ) -> Iterator[_T]:
        """Like ``itertools.starmap(fn, arguments)``: calls ``fn(*each)`` for each of ``arguments``; see map."""
        chunksize = _positive("chunksize", chunksize, "chunksize must be >= 1.")
        if buffersize is not None:
            if whole(buffersize) is None:
                raise TypeError(f"buffersize must be an integer or None, not {shown(buffersize)}")
            buffersize = _positive("buffersize", buffersize, "buffersize must be None or > 0")
        timeout = numbers.timeout(timeout)
        end = None if timeout is None else time.monotonic() + timeout
        stream, config = self._stream, self._config  # an unfinished iterator must not keep the Executor alive

        def submit(chunk: tuple[tuple[Any, ...], ...]) -> Future[list[_T]]:
            def pack(pickler: CallPickler) -> tuple[bytes, bytes]:
                return pickler.pack_chunk(fn, chunk)

            return stream.submit(fn, pack, config)

        ask: Ask[_T] = Ask(submit, arguments, chunksize, buffersize)
        return unordered_as_they_end(ask, end) if unordered else in_order(ask, end)

    # ---- the end ---------------------------------------------------------------------------------------------------

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuses new calls; submitted calls are still executed.

        Args:
            wait: return when every future is done and, if the Executor started its Worker, the Worker is closed.
            cancel_futures: cancel the calls that have not begun.
        """
        self._stream.seal("cannot schedule new futures after shutdown")
        if cancel_futures:
            self._stream.cancel_all()
        if wait:
            self._stream.join()

    def kill_workers(self) -> None:
        """Shuts down without waiting for calls: running calls fail with WorkerLost, waiting calls are cancelled.

        Only processes that run calls of this Executor are ended, by SIGKILL. Returns when all futures are done.
        """
        self._stream.end(None)

    def terminate_workers(self) -> None:
        """Like kill_workers, but by SIGTERM; processes that still run after ``WorkerOptions.close_timeout`` are ended
        by SIGKILL.

        An Executor whose Worker has other users sends SIGKILL at once: a SIGTERM that arrives late would end a call of
        another user.
        """
        self._stream.end(signal.SIGTERM)

    def __repr__(self) -> str:
        """Names the Worker."""
        return f"<Executor over {self._stream.worker!r}>"


def _native(limits: CallConfig) -> _core.CallConfig:
    return _core.CallConfig(retries=limits.retries, deadline=limits.deadline or 0.0)


def _check_context(mp_context: BaseContext | None) -> None:
    if mp_context is not None and mp_context.get_start_method() == "fork":
        raise ConfigurationError(
            "mp_context: workers are not forks of this process; leave it out, or give one of 'spawn' or 'forkserver', "
            "and pass the data that a fork would have inherited to the initializer"
        )


def _check_calls(max_tasks_per_child: int | None) -> None:
    if max_tasks_per_child is None:
        return
    if whole(max_tasks_per_child) is None:
        raise TypeError(f"max_tasks_per_child must be an integer, not {max_tasks_per_child!r}")
    integer("max_tasks_per_child", max_tasks_per_child, 1, sys.maxsize)


def _worker_of(
    workers: Worker | int | None, max_workers: int | None, options: WorkerOptions | None
) -> tuple[Worker, bool]:
    """The Worker, and whether it was made here."""
    if workers is not None and max_workers is not None:
        raise ConfigurationError("give a Worker or a number of workers, not both")
    if isinstance(workers, Worker):
        if options is not None:
            raise ConfigurationError("options: a Worker that you give has its own options; set them where you make it")
        if not workers.sub_workers:
            raise ConfigurationError("an Executor needs sub-workers, and this Worker has none (sub_workers=0)")
        return workers, False
    count = max_workers if workers is None else workers
    if count is None:
        count = len(os.sched_getaffinity(0))
    count = _positive("max_workers", count, f"max_workers must be greater than 0, not {count}")
    options = options or WorkerOptions()
    if options.max_restarts is None:
        options = replace(options, max_restarts=math.inf)  # calls that kill their worker never make it given up
    return Worker(level=3, chips=0, sub_workers=count, options=options), True


def _positive(name: str, value: Any, words: str) -> int:
    """``value`` as an int from 1. A smaller value is refused with the message of CPython's executors."""
    number = whole(value)
    if number is not None and number < 1:
        raise ConfigurationError(words)
    return integer(name, value, 1, sys.maxsize)


pickled_names.keep(__name__)
