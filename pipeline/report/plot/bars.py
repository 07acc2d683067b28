"""Bars for values without an order: one group for each category, one bar for each series, with its middle half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.plot.axis import Axis
from pipeline.report.plot.drawing import COLOURS, Drawing, cut

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _AXIS = 640, 190, 70, 18, 12, 52


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its length, and the range of the middle half of the measurements."""

    length: float
    low: float
    high: float
    label: str
    """The text at its end."""
    words: str
    """The text that a reader sees when pointing at it."""
    colour: int = 0


def bar_chart(title: str, axis: Axis, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """The bars as an element, from the top down.

    Args:
        title: the title of the chart.
        axis: the axis of the lengths, from 0.
        groups: the name of each category with its bars.
    """
    height = sum(len(bars) * _BAR + _GAP for _, bars in groups) + _AXIS
    drawing = Drawing(_WIDTH, height, f"{title}: {'; '.join(bar.words for _, bars in groups for bar in bars)}")
    bottom = height - _AXIS

    def place(value: float) -> float:
        return _LEFT + axis.place(min(max(value, axis.low), axis.high)) * (_WIDTH - _LEFT - _RIGHT)

    for value, label in axis.ticks:
        drawing.line(place(value), 0, place(value), bottom, kind="grid")
        drawing.text(place(value), bottom + 18, label, "middle")
    drawing.text((_LEFT + _WIDTH - _RIGHT) / 2, height - 10, axis.title, "middle", kind="title")
    y = _GAP / 2
    for name, bars in groups:
        drawing.text(_LEFT - 12, y + len(bars) * _BAR / 2 + 4, cut(name, 19), "end", kind="title")
        for bar in bars:
            middle = y + _BAR / 2 - 1
            drawing.box(_LEFT, y, place(bar.length) - _LEFT, _BAR - 2, kind=f"f{bar.colour % COLOURS}", words=bar.words)
            if bar.low < bar.high:
                drawing.line(place(bar.low), middle, place(bar.high), middle, kind="axis")
                for end in (bar.low, bar.high):
                    drawing.line(place(end), middle - 4, place(end), middle + 4, kind="axis")
            drawing.text(max(place(bar.length), place(bar.high)) + 6, middle + 4, bar.label)
            y += _BAR
        y += _GAP
    return drawing.svg()
