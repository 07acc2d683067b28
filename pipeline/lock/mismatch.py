"""The error of a build that differs from its lock."""

from __future__ import annotations

from runtime.errors import CallringError


class LockMismatch(CallringError, RuntimeError):  # noqa: N818 - it is no fault of the program
    """A build produced other bytes than the lock has; the message names every callable that differs."""

    code = "LOCK_MISMATCH"
