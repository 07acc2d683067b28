"""Line charts as SVG, without a script and without a file beside: curves with the spread of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.sweep.axis import Axis

_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 14, 52
_COLOURS = 8
"""Of the style sheet: classes s0 to s7."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One point of a curve: the middle, and where half of the measurements lie."""

    x: float
    y: float
    low: float
    high: float
    words: str
    """What a reader sees who points at it."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart."""

    name: str
    marks: Sequence[Mark]
    """In ascending order of x."""
    colour: int = 0
    quiet: bool = False
    """Whether it is background: one of too many to tell apart."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over one axis."""

    title: str
    x: Axis
    y: Axis
    curves: Sequence[Curve]
    ideal: Sequence[tuple[float, float]] = field(default=())
    """A dashed line to compare with."""


def svg(chart: Chart) -> str:
    """The chart as an ``<svg>`` element; colours come from the page's style sheet."""
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(chart.title, quote=True)}">']
    parts += _grid(chart)
    if chart.ideal:
        parts.append(f'<polyline class="ideal" points="{_points(chart, chart.ideal)}"/>')
    for curve in sorted(chart.curves, key=lambda curve: not curve.quiet):
        parts += _curve(chart, curve)
    return "".join([*parts, "</svg>"])


def legend(chart: Chart) -> str:
    """The names of the curves, as HTML; nothing if there is one curve without a name."""
    loud = [curve for curve in chart.curves if not curve.quiet and curve.name]
    items = [f'<li><i class="s{curve.colour % _COLOURS}"></i>{escape(curve.name)}</li>' for curve in loud]
    hidden = sum(curve.quiet for curve in chart.curves)
    if hidden:
        items.append(f'<li><i class="quiet"></i>{hidden} others</li>')
    if chart.ideal:
        items.append('<li><i class="ideal"></i>ideal</li>')
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def _grid(chart: Chart) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for value, label in chart.y.ticks:
        y = _y(chart, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>')
    for value, label in chart.x.ticks:
        x = _x(chart, value)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(label)}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    middle = (_LEFT + right) / 2
    title = escape(chart.x.title + (" (log scale)" if chart.x.logarithmic else ""))
    parts.append(f'<text class="title" x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{title}</text>')
    title = escape(chart.y.title + (" (log scale)" if chart.y.logarithmic else ""))
    middle = (_TOP + bottom) / 2
    turned = f'x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})"'
    parts.append(f'<text class="title" {turned}>{title}</text>')
    return parts


def _curve(chart: Chart, curve: Curve) -> list[str]:
    middle = _points(chart, [(mark.x, mark.y) for mark in curve.marks])
    if curve.quiet:
        return [f'<polyline class="curve quiet" points="{middle}"/>']
    colour = f"s{curve.colour % _COLOURS}"
    upper = [(mark.x, mark.high) for mark in curve.marks]
    lower = [(mark.x, mark.low) for mark in reversed(curve.marks)]
    parts = []
    if any(mark.low < mark.high for mark in curve.marks):
        parts.append(f'<polygon class="spread {colour}" points="{_points(chart, upper + lower)}"/>')
    parts.append(f'<polyline class="curve {colour}" points="{middle}"/>')
    for mark in curve.marks:
        x, y = _x(chart, mark.x), _y(chart, mark.y)
        words = escape(mark.words)
        parts.append(f'<circle class="mark {colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{words}</title></circle>')
    return parts


def _points(chart: Chart, places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_x(chart, x):.1f},{_y(chart, y):.1f}" for x, y in places)


def _x(chart: Chart, value: float) -> float:
    return _LEFT + chart.x.place(value) * (_WIDTH - _LEFT - _RIGHT)


def _y(chart: Chart, value: float) -> float:
    value = max(value, chart.y.low)
    return _HEIGHT - _BOTTOM - chart.y.place(value) * (_HEIGHT - _TOP - _BOTTOM)
