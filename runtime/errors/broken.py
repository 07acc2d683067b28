"""The errors that are also a BrokenExecutor. Users find them in runtime.errors.

In a module of their own, which is imported when one of them is first used: ``concurrent.futures`` imports ``logging``,
and both together are a fifth of the time in which ``Worker`` is imported.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from runtime.errors import CallringError


class WorkerLost(CallringError, BrokenExecutor):  # noqa: N818
    """A child died while it ran a task.

    Fields: ``signal``, ``exit_status``, ``pid``, ``callable`` (the callable's label); for a chip that crashed in a
    kernel also ``kernel`` and ``block``.
    """

    code = "WORKER_LOST"
    fields = (*CallringError.fields, "signal", "exit_status", "callable", "pid", "kernel", "block")


class InitializerError(CallringError, BrokenExecutor):
    """An Executor's initializer raised in a worker; the call was not executed. The next call there runs it again."""

    code = "INITIALIZER_FAILED"


class WorkerGivenUp(WorkerLost):
    """A child died more often than ``WorkerOptions.max_restarts`` allows, or cannot start; it is not replaced."""

    code = "WORKER_GIVEN_UP"


for _kind in (WorkerLost, WorkerGivenUp, InitializerError):
    _kind.__module__ = CallringError.__module__  # the name in pickles and tracebacks
