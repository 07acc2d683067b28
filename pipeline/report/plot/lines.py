"""Line charts: curves with the spread of the measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from pipeline.report.plot.drawing import COLOURS, Drawing

if TYPE_CHECKING:
    from pipeline.report.plot.axis import Axis

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 14, 52


@dataclass(frozen=True, slots=True)
class Mark:
    """One point of a curve: the median, and the range of the middle half of the measurements."""

    x: float
    y: float
    low: float
    high: float
    words: str
    """The text that a reader sees when pointing at it."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart."""

    name: str
    marks: Sequence[Mark]
    """The points in ascending order of x."""
    colour: int = 0
    quiet: bool = False
    """Whether it is drawn in the background, as one of very many curves."""
    joined: bool = True
    """Whether a line leads from mark to mark."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over one axis."""

    title: str
    x: Axis
    y: Axis
    curves: Sequence[Curve]
    ideal: Sequence[tuple[float, float]] = field(default=())
    """A dashed line for comparison."""
    ideal_name: str = "ideal"
    other_ideal: Sequence[tuple[float, float]] = field(default=())
    """A dotted line for comparison."""
    other_ideal_name: str = ""


def line_chart(chart: Chart) -> str:
    """The chart as an element."""
    drawing = Drawing(WIDTH, HEIGHT, chart.title)
    draw_axes(drawing, chart.x, chart.y)
    if chart.ideal:
        drawing.path([_place(chart, x, y) for x, y in chart.ideal], "ideal")
    if chart.other_ideal:
        drawing.path([_place(chart, x, y) for x, y in chart.other_ideal], "ideal other")
    for curve in sorted(chart.curves, key=lambda curve: not curve.quiet):
        _draw_curve(drawing, chart, curve)
    return drawing.svg()


def legend(chart: Chart) -> str:
    """The names of the curves, as HTML; empty if there is only one curve without a name."""
    loud = [curve for curve in chart.curves if not curve.quiet and curve.name]
    items = [f'<li><i class="f{curve.colour % COLOURS}"></i>{escape(curve.name)}</li>' for curve in loud]
    hidden = sum(curve.quiet for curve in chart.curves)
    if hidden:
        items.append(f'<li><i class="fquiet quietly"></i>{hidden} others</li>')
    if chart.ideal:
        items.append(f'<li><i class="fquiet" style="height: 2px"></i>{escape(chart.ideal_name)}</li>')
    if chart.other_ideal:
        dotted = "height: 0; background: none; border-top: 2px dotted var(--quiet)"
        items.append(f'<li><i style="{dotted}"></i>{escape(chart.other_ideal_name)}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def draw_axes(drawing: Drawing, x: Axis, y: Axis) -> None:
    """The grid, the ticks and the titles of the axes of a drawing of the usual size."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value, label in y.ticks:
        at = y_place(y, value)
        drawing.line(LEFT, at, right, at, kind="grid")
        drawing.text(LEFT - 8, at + 4, label, "end")
    for value, label in x.ticks:
        at = x_place(x, value)
        drawing.line(at, bottom, at, bottom + 4, kind="axis")
        drawing.text(at, bottom + 18, label, "middle")
    drawing.line(LEFT, bottom, right, bottom, kind="axis")
    drawing.text((LEFT + right) / 2, HEIGHT - 10, _titled(x), "middle", kind="title")
    drawing.text(16, (TOP + bottom) / 2, _titled(y), "middle", kind="title", turn=-90)


def x_place(axis: Axis, value: float) -> float:
    """The place of a value of the lower axis in a drawing of the usual size."""
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def y_place(axis: Axis, value: float) -> float:
    """The place of a value of the left axis; a value below its low end is drawn at that end."""
    return HEIGHT - BOTTOM - axis.place(max(value, axis.low)) * (HEIGHT - TOP - BOTTOM)


def _titled(axis: Axis) -> str:
    return axis.title + (" (log scale)" if axis.logarithmic else "")


def _draw_curve(drawing: Drawing, chart: Chart, curve: Curve) -> None:
    middle = [_place(chart, mark.x, mark.y) for mark in curve.marks]
    if curve.quiet:
        drawing.path(middle, "background")
        return
    fill, line = f"f{curve.colour % COLOURS}", f"l{curve.colour % COLOURS}"
    if any(mark.low < mark.high for mark in curve.marks) and curve.joined:
        upper = [_place(chart, mark.x, mark.high) for mark in curve.marks]
        lower = [_place(chart, mark.x, mark.low) for mark in reversed(curve.marks)]
        drawing.path(upper + lower, f"spread {fill}", closed=True)
    if curve.joined:
        drawing.path(middle, f"curve {line}")
    for mark, (x, y) in zip(curve.marks, middle, strict=True):
        drawing.circle(x, y, 4, f"mark {fill}", mark.words)


def _place(chart: Chart, x: float, y: float) -> tuple[float, float]:
    return x_place(chart.x, x), y_place(chart.y, y)
