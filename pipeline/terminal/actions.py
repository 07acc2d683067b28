"""The actions of a run's stages and their durations, for the console and for reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Action(NamedTuple):
    """One action of a stage, as its line shows it."""

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
    """Begin in nanoseconds of CLOCK_MONOTONIC; 0 if unknown."""
