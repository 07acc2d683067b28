"""What a Worker tells about the processes below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runtime import pickled_names

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


def snapshot(engine: _core.Engine) -> list[ChildInfo]:
    """The processes below an engine, as they are now."""
    return [
        ChildInfo(
            **{
                **child,
                "installed": {f"sha256:{digest.hex()}": count for digest, count in child["installed"].items()},
            }
        )
        for child in engine.children()
    ]


pickled_names.keep(__name__)
