"""What a Worker reports about its child processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import pickled_names
from runtime.failure import end_fields, end_words

if TYPE_CHECKING:
    from runtime import _core


class ChildInfo(NamedTuple):
    """A snapshot of one child process, for people and tests."""

    kind: str
    """``"chip"``, ``"node"`` or ``"sub"``."""
    id: int
    pid: int
    """The process id; -1 between two incarnations."""
    incarnation: int
    """Number of this child's current process: 1 for the first, one more for each replacement."""
    state: str
    """``"starting"`` (also while it is being replaced), ``"ready"``, ``"lost"`` (given up) or ``"closed"``."""
    completed: int
    """Number of tasks that the child ended, in all incarnations."""
    last_exit: str
    """How the previous incarnation ended, in words; empty for the first."""
    installed: dict[str, int]
    """The hashid of each installed callable, with its number of registrations."""
    last_signal: int | None = None
    """The signal that killed the previous incarnation; None if no signal did."""
    last_exit_status: int | None = None
    """The status with which the previous incarnation exited; None if it did not exit by itself."""


def snapshot(engine: _core.Engine) -> list[ChildInfo]:
    """A snapshot of the child processes of an engine."""
    return [_info(child) for child in engine.children()]


def _info(child: dict[str, Any]) -> ChildInfo:
    end = child.pop("last_end")
    fields = end_fields(end) if end else {"signal": None, "exit_status": None}
    return ChildInfo(
        **{
            **child,
            "installed": {f"sha256:{digest.hex()}": count for digest, count in child["installed"].items()},
            "last_exit": end_words(end) if end else "",
            "last_signal": fields["signal"],
            "last_exit_status": fields["exit_status"],
        }
    )


pickled_names.keep(__name__)
