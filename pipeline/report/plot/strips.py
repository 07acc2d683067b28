"""Strips: every measurement as a dot, with the median and the middle half; one row for each series, on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.common.counts import count_of
from pipeline.report.plot.axis import figure_axis
from pipeline.report.plot.drawing import Drawing, cut
from pipeline.report.units import page_duration

_WIDTH, _LEFT, _RIGHT, _ROW, _AXIS = 640, 130, 30, 46, 34
_MOST_DOTS = 500
_SPREAD = (0.0, 0.5, -0.5, 0.25, -0.25, 0.75, -0.75)
"""Distances of successive dots from the middle of their row, repeated: so equal values do not cover each other."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One series in seconds, in the order of measurement."""

    name: str
    values: Sequence[float]
    apart: Sequence[float] = ()
    """Warm-up measurements: drawn as hollow dots, and not part of any figure."""
    colour: int = 0


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The quartiles of the values."""
    low, middle, high = (float(x) for x in np.percentile(values, (25, 50, 75)))
    return low, middle, high


def strip_words(strip: Strip) -> str:
    """A series as one line of text: median, middle half, ends, number."""
    low, middle, high = quartiles(strip.values)
    half = f", half of them {page_duration(low)} to {page_duration(high)}" if len(strip.values) > 1 else ""
    ends = f", all {page_duration(min(strip.values))} to {page_duration(max(strip.values))}"
    return f"{strip.name}: median {page_duration(middle)} of {count_of(len(strip.values), 'run')}{half}{ends}"


def strip_plot(title: str, strips: Sequence[Strip]) -> str:
    """The strips as an element.

    Args:
        title: the measured quantity.
        strips: at least one, each with at least one value.
    """
    height = _ROW * len(strips) + _AXIS
    drawing = Drawing(_WIDTH, height, f"{title}: {'; '.join(map(strip_words, strips))}")
    shown = [value for strip in strips for value in (*strip.values, *strip.apart)]
    low, high = min(shown), max(shown)
    # The axis begins at 0 only if the values come close to it.
    axis = figure_axis("", [max(0.0, low - (high - low or low) * 0.15), high], page_duration, from_zero=False)

    def place(value: float) -> float:
        return _LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT)

    bottom = height - _AXIS
    for value, label in axis.ticks:
        drawing.line(place(value), 4, place(value), bottom, kind="grid")
        drawing.text(place(value), bottom + 18, label, "middle")
    for row, strip in enumerate(strips):
        middle = _ROW * row + _ROW / 2
        drawing.text(_LEFT - 12, middle + 4, cut(strip.name, 16), "end", kind="title")
        first, second, third = quartiles(strip.values)
        drawing.box(place(first), middle - 13, place(third) - place(first), 26, kind=f"spread f{strip.colour}")
        for values, kind in ((strip.apart, f"hollow l{strip.colour}"), (strip.values, f"f{strip.colour} quietly")):
            for i, value in enumerate(_some(values)):
                aside = _SPREAD[i % len(_SPREAD)] * 12
                words = f"{strip.name}: {page_duration(value)}{', to warm up' if values is strip.apart else ''}"
                drawing.circle(place(value), middle + aside, 3, kind, words)
        drawing.line(place(second), middle - 16, place(second), middle + 16, kind=f"interval l{strip.colour}")
    return drawing.svg()


def _some(values: Sequence[float]) -> Sequence[float]:
    """At most as many values as can be told apart: evenly chosen from the sorted values, with both ends."""
    if len(values) <= _MOST_DOTS:
        return values
    ordered = sorted(values)
    return [ordered[round(i * (len(ordered) - 1) / (_MOST_DOTS - 1))] for i in range(_MOST_DOTS)]
