"""The error of a build that is not what its lock says."""

from __future__ import annotations

from runtime.errors import CallringError


class LockMismatch(CallringError, RuntimeError):  # noqa: N818 - it is no fault of the program
    """A build produced other bytes than the lock says; the message names every callable that differs."""

    code = "LOCK_MISMATCH"
