"""Measurements: several interleaved rounds of everything, medians with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

OURS = "callring"
SUBMITTED = "callring, submitted"
"""Beside OURS where that is a captured launch: the same tasks, submitted one by one from Python."""


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds per contender, a factor of the work, and whether the extra's peers take part."""

    rounds: int
    scale: float
    peers: bool = True

    def count(self, whole: int, least: int = 10) -> int:
        """``whole`` times the scale, but at least ``least``."""
        return max(least, int(whole * self.scale))


@dataclass
class Row:
    """One kind of work, measured for Callring and for others: a list of figures, one per round, for each name."""

    name: str
    unit: str
    higher_is_better: bool
    figures: dict[str, list[float]] = field(default_factory=dict)
    goal: str = ""

    def ratio_to(self, other: str) -> float:
        """How many times better Callring is, by medians."""
        ours, theirs = (statistics.median(self.figures[name]) for name in (OURS, other))
        better, worse = (ours, theirs) if self.higher_is_better else (theirs, ours)
        return better / worse if worse else float("inf")


def interleaved(row: Row, contenders: dict[str, Callable[[], float]], rounds: int) -> Row:
    """Measures A B A B ...: a drift of the machine's speed affects all alike."""
    for _ in range(rounds):
        for name, measure in contenders.items():
            row.figures.setdefault(name, []).append(measure())
    return row


def per_second(name: str, goal: str = "") -> Row:
    """A row of rates."""
    return Row(name, "1/s", higher_is_better=True, goal=goal)


def duration(name: str, unit: str, goal: str = "") -> Row:
    """A row of durations, or of anything else that should be small."""
    return Row(name, unit, higher_is_better=False, goal=goal)
