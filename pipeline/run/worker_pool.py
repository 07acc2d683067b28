"""Keeps ready Workers from one job of a process to the next, so that the points of a sweep share them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from runtime.errors import CallringError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.run.stage_results import Described
    from runtime import CallableHandle, Worker

_MOST = 4
"""Most idle Workers; each has processes, and the shared memory that its tensors touched."""


class WarmWorkers:
    """Idle Workers by topology, platform, runtime and options.

    An idle Worker has no registered callables and no tasks, and all its children are ready.
    """

    def __init__(self) -> None:
        self._idle: dict[tuple[Any, ...], Worker] = {}

    def take(self, described: Described) -> Worker | None:
        """A ready Worker for a job, which the job gives back or closes; None if there is none."""
        return self._idle.pop(_kind(described), None)

    def give_back(self, described: Described, worker: Worker, handles: Iterable[CallableHandle]) -> None:
        """Keeps a Worker after a successful job, or closes it if its children are not all ready."""
        try:
            for handle in handles:
                worker.unregister(handle)
        except CallringError:
            worker.close()
            return
        if any(child.state != "ready" or child.installed for child in worker.children):
            worker.close()
            return
        worker.trace()  # drops the trace, which belongs to the ended job
        self._idle[_kind(described)] = worker
        if len(self._idle) > _MOST:
            self._idle.pop(next(iter(self._idle))).close()

    def close(self) -> None:
        """Closes all idle Workers."""
        with contextlib.ExitStack() as stack:
            while self._idle:
                stack.callback(self._idle.popitem()[1].close)


WARM = WarmWorkers()
"""The pool of this process."""


def _kind(described: Described) -> tuple[Any, ...]:
    options = tuple(sorted(described.worker_options.items()))
    tree = described.tree
    return tree._replace(name=""), described.platform, described.runtime, options
