"""What the stages of a run did and how long they took, as the console said it and reports keep it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Action(NamedTuple):
    """One thing that a stage did, as its line said it."""

    word: str
    """``"built"``, ``"cached"``, ``"loaded"``, ``"registered"`` and so on."""
    name: str
    hash: str = ""
    """A build key or digest in hex, or empty."""
    seconds: float | None = None


class StageRecord(NamedTuple):
    """One stage that ran, successfully or not."""

    name: str
    seconds: float
    actions: Sequence[Action] = ()
    begin_ns: int = 0
    """CLOCK_MONOTONIC; 0 if it is not known."""
