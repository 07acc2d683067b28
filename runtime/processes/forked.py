"""A forked process has its parent's Workers as objects, but neither their threads nor their children.

To close one there would wait for ever for a thread that does not exist, and must not end the parent's children; to wait
for a task there would take completions away from the parent. So a fork leaves them all to the parent: it can neither
use nor close them, nor ask their tasks and runs, and nothing is done for them when they are collected.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, NoReturn, Protocol

from runtime.errors import WorkerClosed


class _LeftToParent(Protocol):
    """What a process has to leave to the one that forked it. Its repr() names the Worker."""

    def leave_to_parent(self) -> None: ...


_all: weakref.WeakSet[_LeftToParent] = weakref.WeakSet()
"""Also those that are garbage and not collected yet."""


def forget_in_fork(session: _LeftToParent) -> None:
    """Sees to it that a process which this one forks leaves the session alone."""
    _all.add(session)


def refuse(session: object, operation: str) -> NoReturn:
    """Raises WorkerClosed: the Worker is the parent's."""
    raise WorkerClosed(
        f"{operation}: {session!r} belongs to the process that forked this one; make a Worker here", operation=operation
    )


class EngineOfParent:
    """In the place of a session's engine: whatever is asked of it is refused."""

    def __init__(self, session: object) -> None:
        self._session = weakref.proxy(session)

    def __getattr__(self, name: str) -> Any:
        """Refuses what is asked."""
        refuse(self._session, name)


def _forget() -> None:
    for session in list(_all):
        session.leave_to_parent()
    _all.clear()


os.register_at_fork(after_in_child=_forget)
