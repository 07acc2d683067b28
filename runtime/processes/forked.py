"""A forked process has its parent's Workers as objects, but neither their threads nor their children.

Closing a Worker in the forked process would wait for ever for a thread that does not exist, and must not end the
parent's children; waiting for a task there would take completions away from the parent. So the forked process leaves
all Workers to its parent: it can neither use nor close them, nor query their tasks and runs, and collecting the objects
does nothing.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, NoReturn, Protocol

from runtime.errors import WorkerClosed


class _LeftToParent(Protocol):
    """A session that a forked process leaves to its parent. Its repr() names the Worker."""

    def leave_to_parent(self) -> None: ...


_all: weakref.WeakSet[_LeftToParent] = weakref.WeakSet()
"""Every session of this process, including those that are garbage but not collected yet."""


def forget_in_fork(session: _LeftToParent) -> None:
    """Ensures that every process that this one forks leaves the session to its parent."""
    _all.add(session)


def refuse(session: object, operation: str) -> NoReturn:
    """Raises WorkerClosed, because the Worker belongs to the parent process."""
    raise WorkerClosed(
        f"{operation}: {session!r} belongs to the process that forked this one; make a Worker here", operation=operation
    )


class EngineOfParent:
    """Replaces a session's engine in a forked process: every use raises WorkerClosed."""

    def __init__(self, session: object) -> None:
        self._session = weakref.proxy(session)

    def __getattr__(self, name: str) -> Any:
        """Raises WorkerClosed."""
        refuse(self._session, name)


def _forget() -> None:
    for session in list(_all):
        session.leave_to_parent()
    _all.clear()


os.register_at_fork(after_in_child=_forget)
