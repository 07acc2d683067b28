"""Measurements: several rounds of everything in turn, medians with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Row:
    """One kind of work, measured for us and for peers; figures by name, a list of rounds each."""

    name: str
    unit: str
    higher_is_better: bool
    figures: dict[str, list[float]] = field(default_factory=dict)

    def ratio_to(self, peer: str) -> float:
        """How many times better we are, by medians."""
        ours, theirs = (statistics.median(self.figures[name]) for name in ("callring", peer))
        return ours / theirs if self.higher_is_better else theirs / ours


def in_turn(row: Row, contenders: dict[str, Callable[[], float]], rounds: int) -> Row:
    """Measures A B A B ...: a drift of the machine's speed meets all alike."""
    for _ in range(rounds):
        for name, measure in contenders.items():
            row.figures.setdefault(name, []).append(measure())
    return row
