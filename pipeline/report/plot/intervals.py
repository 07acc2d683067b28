"""Ratios with their intervals around 1, one row each: faster to the left, slower to the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.plot.axis import Axis
from pipeline.report.plot.drawing import Drawing, cut

_WIDTH, _LEFT, _RIGHT, _ROW, _AXIS = 700, 130, 250, 30, 34
_STEPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """A ratio, new to old."""

    name: str
    ratio: float
    low: float | None
    high: float | None
    verdict: str
    """``"slower"``, ``"faster"``, ``"same"`` or ``"unknown"``."""
    words: str


def interval_plot(title: str, rows: Sequence[Interval]) -> str:
    """The intervals as an element; at least one row."""
    height = _ROW * len(rows) + _AXIS
    drawing = Drawing(_WIDTH, height, f"{title}: {'; '.join(f'{row.name} {row.words}' for row in rows)}")
    axis = _axis([end for row in rows for end in (row.ratio, row.low, row.high) if end is not None and end > 0])
    bottom = height - _AXIS

    def place(value: float) -> float:
        return _LEFT + axis.place(min(max(value, axis.low), axis.high)) * (_WIDTH - _LEFT - _RIGHT)

    for value, label in axis.ticks:
        drawing.line(place(value), 4, place(value), bottom, kind="axis" if value == 1 else "grid")
        drawing.text(place(value), bottom + 18, label, "middle")
    for i, row in enumerate(rows):
        middle = _ROW * i + _ROW / 2
        colour = {"slower": "bad", "faster": "good"}.get(row.verdict, "quiet")
        drawing.text(_LEFT - 12, middle + 4, cut(row.name, 16), "end", kind="title")
        if row.low is not None and row.high is not None:
            drawing.line(place(row.low), middle, place(row.high), middle, kind=f"interval l{colour}")
            for end in (row.low, row.high):
                drawing.line(place(end), middle - 5, place(end), middle + 5, kind=f"interval l{colour}")
        drawing.circle(place(row.ratio), middle, 4.5, f"f{colour}", f"{row.name}: {row.ratio:.3f} times as long")
        drawing.text(_WIDTH - _RIGHT + 14, middle + 4, cut(row.words, 26), "start", kind=f"t{colour}")
    return drawing.svg()


def _axis(values: Sequence[float]) -> Axis:
    """Symmetric around 1 in times, so that twice as long lies as far away as half as long."""
    most = max(math.exp(max((abs(math.log(value)) for value in values), default=0.0)), 1.05) * 1.02
    step = next((step for step in _STEPS if (most - 1) / step <= 3), _STEPS[-1])
    above = [1 + step * i for i in range(1, int((most - 1) / step) + 1)]
    ticks = [(1 / value, f"{1 / value:.2g}x") for value in reversed(above)]
    return Axis("", [*ticks, (1.0, "1x"), *((value, f"{value:.3g}x") for value in above)], 1 / most, most, True)
