"""A forked process has its parent's Workers as objects, but neither their threads nor their children.

To close one there would wait for ever for a thread that does not exist, and must not end the parent's children. So a
fork forgets them all: it can neither use nor close them, and nothing is done for them when they are collected.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.worker import Worker

_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
"""Also those that are garbage and not collected yet."""


def forget_in_fork(worker: Worker) -> None:
    """Sees to it that a process which this one forks leaves the Worker alone."""
    _workers.add(worker)


def _forget() -> None:
    for worker in list(_workers):
        worker._state = "forked"
        worker._finalizer.detach()
        worker._lifecycle = threading.Lock()  # another thread may have held it
    _workers.clear()


os.register_at_fork(after_in_child=_forget)
