"""Future: the outcome of one call. A thread that waits for a future takes its outcome from the engine itself."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from concurrent.futures._base import PENDING, RUNNING
from typing import Any, Protocol, TypeVar

from runtime import _core, identity, numbers

_T = TypeVar("_T")
_OK = _core.CODES["ok"]
_CANCELLED = _core.CODES["cancelled"]

_MOST_KEPT = 65536
"""Bytes of the largest pickled function that is kept and hashed on demand. Of a larger one, only the hash is kept."""


class _Stream(Protocol):
    """The operations of a CallStream that its futures use."""

    def wait(self, future: Future[Any], task: _core.Task, timeout: float | None) -> None: ...
    def cancel(self, future: Future[Any], task: _core.Task) -> bool: ...
    def end_running(self, task: _core.Task, code: int) -> bool: ...
    def running(self, task: _core.Task) -> bool: ...
    def no_memory(self, task: _core.Task, label: str, hashid: str | None) -> BaseException: ...
    def error_of(self, task: _core.Task, label: str, hashid: str | None) -> BaseException | None: ...


def _hashid(function: bytes) -> str | None:
    if not function:
        return None
    return identity.compute_callable_hashid(identity.build_python_serialized_descriptor(function))


class Future(concurrent.futures.Future[_T]):
    """The outcome of one call. Made by Executor.submit only."""

    def __init__(self, stream: _Stream, function: bytes, label: str) -> None:
        self._task: _core.Task | None = None  # None once the future is settled
        super().__init__()
        self._stream = stream
        self._function = function if len(function) <= _MOST_KEPT else _hashid(function)
        self._label = label

    @property
    def hashid(self) -> str | None:
        """Names the function by its pickled bytes, as if it had been registered; None if it could not be pickled."""
        return _hashid(self._function) if isinstance(self._function, bytes) else self._function

    @property
    def _state(self) -> str:
        """The attribute that the standard library reads, in ``repr`` among others; "RUNNING" while the call runs."""
        state = self._settled_state
        return RUNNING if state is PENDING and self.running() else state

    @_state.setter
    def _state(self, state: str) -> None:
        self._settled_state = state

    def running(self) -> bool:
        """Whether a sub-worker has begun the call and has not ended it."""
        task = self._task
        return task is not None and self._stream.running(task)

    def cancel(self, running: bool = False) -> bool:
        """Withdraws the call if no sub-worker has begun it. Returns whether the future is cancelled.

        Args:
            running: also cancel a call that runs, by ending its process, which is replaced. Returns when the process
                has ended. Side effects of the call so far remain.
        """
        task = self._task
        if task is None or self._stream.cancel(self, task):
            return self.cancelled()
        if running and self._stream.end_running(task, _CANCELLED):
            self._stream.wait(self, task, None)
        return self.cancelled()

    def result(self, timeout: float | None = None) -> _T:
        """The value that the function returned.

        Raises:
            TimeoutError: the call has not ended within ``timeout`` seconds.
            CancelledError: it was cancelled.
            WorkerLost: the sub-worker died.
            Also the exception of the function, with the sub-worker's traceback as its cause.
        """
        return super().result(self._work(numbers.timeout(timeout)))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The exception of the call, or None. Raises TimeoutError and CancelledError, as result()."""
        return super().exception(self._work(numbers.timeout(timeout)))

    def _work(self, timeout: float | None) -> float | None:
        """Waits in the engine and settles the future. Returns the seconds that are left of ``timeout``."""
        task = self._task
        if task is None or self._done_callbacks:  # type: ignore[attr-defined]
            return timeout
        end = None if timeout is None else time.monotonic() + timeout
        self._stream.wait(self, task, timeout)
        return None if end is None else max(0.0, end - time.monotonic())

    def _settle(self, task: _core.Task) -> None:
        if task.code == _CANCELLED:
            self._settle_cancelled()
            return
        value: Any = None
        error: BaseException | None
        try:
            if task.code == _OK:
                value, error = task.value(), None
            else:
                error = self._stream.error_of(task, self._label, self.hashid)
        except MemoryError:
            error = self._stream.no_memory(task, self._label, self.hashid)
        except BaseException as failure:  # unpickling the outcome failed
            error = failure
        with contextlib.suppress(concurrent.futures.InvalidStateError):  # another thread settled it first
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
        self._task = None

    def _settle_cancelled(self) -> None:
        super().cancel()
        with self._condition:
            if self._state == "CANCELLED":
                self.set_running_or_notify_cancel()
        self._task = None
