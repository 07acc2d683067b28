"""What a Worker tells about the processes below it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """A snapshot of one child process, for people and tests."""

    kind: str
    """``"chip"`` or ``"sub"``."""
    id: int
    pid: int
    incarnation: int
    state: str
    """``"starting"``, ``"ready"``, ``"lost"`` (it died) or ``"closed"``."""
    completed: int
    """Tasks that it ended."""
    exit_status: str
    """How it ended, in words; empty while it lives."""
    installed: dict[str, int]
    """Hashids it has installed, with their number of registrations."""
