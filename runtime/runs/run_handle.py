"""The objects that submits return: Task for one task, RunHandle for one run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from runtime import _core, numbers, pickled_names
from runtime.errors import TaskSkipped
from runtime.errors.wording import kind_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from runtime.session import Session

_T = TypeVar("_T")


class Task(_core.TaskRef):
    """One accepted task. ``result()`` waits for its result; later submits can depend on it (``after=``)."""

    __slots__ = ()

    @property
    def _engine(self) -> _core.Engine:
        return self._session.engine  # type: ignore[no-any-return]

    def done(self) -> bool:
        """Whether the task has ended, successfully or not."""
        return self._engine.poll_task(self._native)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the task has ended. Returns whether it has.

        Args:
            timeout: most seconds to wait, up to 1e9; None or ``math.inf``: no limit; negative: none.

        Raises:
            ConfigurationError: ``timeout`` is none of these.
        """
        return self._engine.wait_for_task(self._native, numbers.timeout(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The task's error, or None. Raises TimeoutError if it has not ended in time."""
        if not self.wait(timeout):
            raise TimeoutError(f"task {self._native.id} has not ended within {timeout} s")
        return self._session.failures.error_of(self._native)  # type: ignore[no-any-return]

    def _result(self, timeout: float | None = None) -> Any:
        """The cases of ``result`` that the native code leaves to Python: a timeout, a group, a failure."""
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._value()

    def _value(self) -> Any:
        return self._session.failures.value_of(self._native)

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: a function that is pickled must not refer to a task."""
        raise TypeError("cannot pickle a Task: it stays in its process; pass on its result(), or use after=[...]")

    def __repr__(self) -> str:
        """Names run and task."""
        return f"<Task {self._native.id} of run {self._native.run_id}>"


class GroupTask(Task):
    """A group: one task whose members run on several children. Its result lists the members' results, in order."""

    __slots__ = ()

    def _value(self) -> list[Any]:
        value_of = self._session.failures.value_of
        return [value_of(member) for member in self._native.members]


class RunHandle:
    """One run of an orchestration function, with its own errors and result."""

    def __init__(self, native: _core.Run, session: Session) -> None:
        self._native = native
        self._session = session
        self._value: Any = None

    @property
    def _engine(self) -> _core.Engine:
        return self._session.engine

    def _returned(self, value: Any) -> None:
        self._value = value

    def done(self) -> bool:
        """Whether every task of the run has ended."""
        return self._engine.poll_run(self._native)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until every task has ended, at most ``timeout`` seconds (see Task.wait). Returns whether all have."""
        return self._engine.wait_for_run(self._native, numbers.timeout(timeout))

    def cancel(self) -> None:
        """Withdraws every task that has not begun. Running tasks run to their end."""
        self._engine.cancel(self._native)

    @property
    def errors(self) -> list[BaseException]:
        """The errors of all tasks that failed so far, in the order of the failures; those of skipped tasks follow."""
        tasks = [*self._engine.failures(self._native), *self._engine.skipped(self._native)]
        error_of = self._session.failures.error_of
        return [error for task in tasks if (error := error_of(task)) is not None]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The first error of the run, or None. Raises TimeoutError if it has not ended in time.

        A run that did not begin, because a run that it follows (``after=``) failed or was cancelled, has a TaskSkipped
        whose cause is the error of that run.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"run {self._native.id} has not ended within {timeout} s")
        if not self._engine.failed(self._native):
            return None
        error_of = self._session.failures.error_of
        failures = self._engine.failures(self._native)
        if failures:
            return error_of(failures[0])
        poison = self._engine.poison(self._native)
        if poison is None:
            return None
        error = TaskSkipped(
            f"run {self._native.id} was not executed: run {poison.run_id}, which it follows, failed or was cancelled",
            operation="run",
        )
        error.__cause__ = error_of(poison)
        return error

    def result(self, timeout: float | None = None) -> Any:
        """The value of the orchestration function, once every task has ended.

        Raises:
            TimeoutError: the run has not ended within ``timeout`` seconds.
            Also the first error of the run; ``errors`` has all of them.
        """
        # The usual end first, without the calls of exception(): a small run consists of little else.
        engine = self._session.engine
        ended = timeout is None and engine.wait_for_run(self._native, None)
        if not ended or engine.failed(self._native):
            error = self.exception(timeout)
            if error is not None:
                raise error
        return self._value

    def __await__(self) -> Generator[Any, None, Any]:
        """Awaits result() on the running event loop, without a thread that waits or polls."""
        return self._ended().__await__()

    async def _ended(self) -> Any:
        import asyncio

        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        watcher = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            loop.add_reader(watcher, ended.set)
            self._engine.watch_run(self._native, watcher)
            await ended.wait()
        finally:
            self._engine.unwatch_run(self._native, watcher)
            loop.remove_reader(watcher)
            os.close(watcher)
        return self.result(0)

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: a function that is pickled must not refer to a run."""
        raise TypeError("cannot pickle a RunHandle: it stays in its process; pass on its result()")

    def __repr__(self) -> str:
        """Names the run."""
        return f"<RunHandle {self._native.id}>"


def require_several(argument: str, given: object, kind: type, expected: str) -> None:
    """Raises TypeError unless ``given`` is an iterable of values; a single ``kind`` is refused, even if iterable."""
    if isinstance(given, kind) or not isinstance(given, Iterable):
        raise TypeError(f"{argument} takes several {expected}, not one {type(given).__name__}: {argument}=[...]")


def several(argument: str, given: Iterable[_T], kind: type[_T], expected: str) -> Iterator[_T]:
    """Yields each of the ``given`` values of ``argument``, after checking its type. Raises TypeError."""
    require_several(argument, given, kind, expected)
    for value in given:
        if not isinstance(value, kind):
            raise TypeError(f"{argument} takes {expected}, not {kind_of(value)}")
        yield value


pickled_names.keep(__name__)
