"""Workers that are kept ready from one job of a process to the next: the points of a sweep do not start their own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from runtime.errors import CallringError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.run.stage_results import Described
    from runtime import CallableHandle, Worker

_MOST = 4
"""Idle Workers that are kept; each is a set of processes and the shared memory that its tensors touched."""


class WarmWorkers:
    """Idle Workers by what they are: topology, platform, runtime and options.

    A Worker that is kept has no callable registered, has nothing to do and all its children are ready.
    """

    def __init__(self) -> None:
        self._idle: dict[tuple[Any, ...], Worker] = {}

    def take(self, described: Described) -> Worker | None:
        """A ready Worker that is what a job needs, to give back or to close; None if none is kept."""
        return self._idle.pop(_kind(described), None)

    def give_back(self, described: Described, worker: Worker, handles: Iterable[CallableHandle]) -> None:
        """Keeps a Worker after a job that ended well, or closes it if it is not as good as new."""
        try:
            for handle in handles:
                worker.unregister(handle)
        except CallringError:
            worker.close()
            return
        if any(child.state != "ready" or child.installed for child in worker.children):
            worker.close()
            return
        worker.trace()  # whatever is recorded belongs to the job that ended
        self._idle[_kind(described)] = worker
        if len(self._idle) > _MOST:
            self._idle.pop(next(iter(self._idle))).close()

    def close(self) -> None:
        """Ends them all."""
        with contextlib.ExitStack() as stack:
            while self._idle:
                stack.callback(self._idle.popitem()[1].close)


WARM = WarmWorkers()
"""Those of this process."""


def _kind(described: Described) -> tuple[Any, ...]:
    options = tuple(sorted(described.worker_options.items()))
    tree = described.tree
    return tree.level, tree.chips, tree.sub_workers, tree.children, described.platform, described.runtime, options
