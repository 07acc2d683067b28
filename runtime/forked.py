"""A forked process has its parent's Workers as objects, but neither their threads nor their children.

To close one there would wait for ever for a thread that does not exist, and must not end the parent's children; to wait
for a task there would take completions away from the parent. So a fork forgets them all: it can neither use nor close
them, nor ask their tasks and runs, and nothing is done for them when they are collected.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from runtime.errors import WorkerClosed

if TYPE_CHECKING:
    from runtime.worker import Worker

_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
"""Also those that are garbage and not collected yet."""


def forget_in_fork(worker: Worker) -> None:
    """Sees to it that a process which this one forks leaves the Worker alone."""
    _workers.add(worker)


def refuse(worker: Worker, operation: str) -> NoReturn:
    """Raises WorkerClosed: the Worker is the parent's."""
    raise WorkerClosed(
        f"{operation}: {worker!r} belongs to the process that forked this one; make a Worker here", operation=operation
    )


class _EngineOfParent:
    """In the place of a Worker's engine: whatever is asked of it is refused."""

    def __init__(self, worker: Worker) -> None:
        self._worker = weakref.proxy(worker)

    def __getattr__(self, name: str) -> Any:
        refuse(self._worker, name)


def _forget() -> None:
    for worker in list(_workers):
        worker._state = "forked"
        worker._finalizer.detach()
        worker._lifecycle = threading.Lock()  # another thread may have held it
        worker._engine.leave_to_parent()
        worker._engine = _EngineOfParent(worker)  # type: ignore[assignment]
    _workers.clear()


os.register_at_fork(after_in_child=_forget)
