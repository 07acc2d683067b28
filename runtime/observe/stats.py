"""WorkerStats: the counts that Worker.stats() returns."""

from __future__ import annotations

from typing import NamedTuple

from runtime import pickled_names


class WorkerStats(NamedTuple):
    """Counts since the Worker was made, for people and tests. A group is one task.

    ``accepted == done + failed + lost + timed_out + skipped + cancelled + pending``.
    """

    accepted: int
    """Tasks that were accepted by a submit."""
    done: int
    """Tasks that succeeded."""
    failed: int
    """Tasks that ended with their own error: an exception, or a code of a kernel."""
    lost: int
    """Tasks that were lost with the child that ran them, or never ran because their child was given up."""
    timed_out: int
    """Tasks that exceeded their deadline."""
    skipped: int
    """Tasks that were not executed because a task that they depend on failed."""
    cancelled: int
    """Tasks that were withdrawn before they began."""
    pending: int
    """Tasks that were accepted and have not ended yet."""
    begun_again: int
    """How often a task began again (``CallConfig.retries``)."""
    runs: int
    """Runs under way."""
    restarts: int
    """How often a child was replaced."""
    waits: int
    """How often a submit had to wait at a bound (``max_pending_tasks``, ``max_runs``)."""
    bytes_in_use: int
    """Bytes of shared memory that tensors and spilled arguments take."""
    bytes_mapped: int
    """Bytes of all arenas; pages that were never touched take no memory."""
    bytes_sent: int = 0
    """Bytes of arguments that were sent to hosts of nodes on other machines; ``Worker.hosts()`` has them for each host.
    This and the two below are 0 for a Worker without hosts, and for a closed one."""
    bytes_received: int = 0
    """Bytes of results that were received from hosts."""
    bytes_resident: int = 0
    """Bytes that hosts keep at this moment, for runs under way."""


pickled_names.keep(__name__)
