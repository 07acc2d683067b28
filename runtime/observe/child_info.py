"""What a Worker tells about the processes below it."""

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
    """-1 between two incarnations."""
    incarnation: int
    """1 for the first process of this place; each replacement counts one more."""
    state: str
    """``"starting"`` (also while it is being replaced), ``"ready"``, ``"lost"`` (given up) or ``"closed"``."""
    completed: int
    """Tasks that it ended, over all incarnations."""
    last_exit: str
    """How the previous incarnation ended, in words; empty for the first."""
    installed: dict[str, int]
    """Hashids it has installed, with their number of registrations."""
    last_signal: int | None = None
    """What killed the previous incarnation; None if nothing did."""
    last_exit_status: int | None = None
    """With which the previous incarnation exited; None if it did not."""


def snapshot(engine: _core.Engine) -> list[ChildInfo]:
    """The processes below an engine, as they are now."""
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
