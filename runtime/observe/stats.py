"""WorkerStats: what Worker.stats() counts."""

from __future__ import annotations

from typing import NamedTuple

from runtime import pickled_names


class WorkerStats(NamedTuple):
    """Counts since the Worker was made, for people and tests. A group is one task.

    ``accepted == done + failed + lost + timed_out + skipped + cancelled + pending``.
    """

    accepted: int
    """Accepted by a submit."""
    done: int
    failed: int
    """Ended with an error of their own: an exception, a kernel's code."""
    lost: int
    """Lost with the child that ran them, or never run because their child was given up."""
    timed_out: int
    """Ended because of their deadline."""
    skipped: int
    """Never executed, because a task that they depend on failed."""
    cancelled: int
    """Withdrawn before they began."""
    pending: int
    """Accepted and not ended yet."""
    begun_again: int
    """Retries that were used."""
    runs: int
    """Runs under way."""
    restarts: int
    """Children that were replaced."""
    waits: int
    """How often a submit had to wait at a bound (``max_pending_tasks``, ``max_runs``)."""
    bytes_in_use: int
    """Bytes of shared memory that tensors and spilled arguments take."""
    bytes_mapped: int
    """Bytes of all arenas; pages that were never touched take no memory."""


pickled_names.keep(__name__)
