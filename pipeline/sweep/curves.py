"""Which charts a sweep gives: one for each swept parameter, and speed-up where the number of chips is swept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.common.counts import duration
from pipeline.sweep.axis import Axis, figure_axis, parameter_axis
from pipeline.sweep.chart import Chart, Curve, Mark
from pipeline.sweep.points import workloads_of

if TYPE_CHECKING:
    from pipeline.sweep.points import Point

_MOST_CURVES = 8
"""As many as a reader can tell apart; beyond it the fastest are named and the others are background."""


@dataclass(frozen=True, slots=True)
class _Figure:
    """What a chart shows of each point."""

    of: Callable[[Point], tuple[float, float, float]]
    """Quartiles, in seconds."""
    runs: Callable[[Point], int]
    """How many they are of."""
    name: str
    axis: str
    speed_up: str


_MEASURED = _Figure(
    lambda point: point.quartiles,
    lambda point: len(point.result["measurements"]["run_seconds"]),
    "Time",
    "time of a run",
    "Speed-up",
)
_VIRTUAL = _Figure(
    lambda point: ((point.virtual_ns or 0) / 1e9,) * 3,
    lambda point: 1,
    "Virtual time (modelled chips)",
    "virtual time",
    "Virtual speed-up (modelled chips)",
)


def charts_of(points: Sequence[Point], keys: Sequence[str]) -> list[Chart]:
    """The charts of a sweep; none for parameters with fewer than two values that gave a figure.

    What was measured and what was computed never share a chart.

    Args:
        points: with their results read.
        keys: the swept keys.
    """
    measured = [point for point in points if point.measured]
    virtual = [point for point in points if point.virtual_ns]
    return [*_charts(measured, keys, _MEASURED), *_charts(virtual, keys, _VIRTUAL)]


def _charts(measured: Sequence[Point], keys: Sequence[str], figure: _Figure) -> list[Chart]:
    charts = []
    for key in keys:
        values = {point.values.get(key) for point in measured}
        if len(values) < 2:
            continue
        x, places = _parameter(key, measured)
        curves = _curves(measured, key, [other for other in keys if other != key], places, figure)
        seconds = [value for curve in curves for mark in curve.marks for value in (mark.low, mark.y, mark.high)]
        y = figure_axis(figure.axis, seconds, _time)
        charts.append(Chart(f"{figure.name} over {key}", x, y, curves))
        if _by_chips(key, measured):
            charts.append(_speed_up(f"{figure.speed_up} over {key}", x, curves))
    return charts


def _time(seconds: float) -> str:
    return duration(seconds) if seconds else "0"


def _by_chips(key: str, points: Sequence[Point]) -> bool:
    """Whether a parameter is a topology, and its values differ in the number of chips that one workload runs on."""
    chips = {point.values.get(key): point.chips for point in points}
    return (
        key in ("topology", "topology.chips")
        and len(set(chips.values())) == len(chips)
        and 0 not in chips.values()
        and len(workloads_of(points)) == 1
    )


def _parameter(key: str, points: Sequence[Point]) -> tuple[Axis, Callable[[Point], float]]:
    """The axis of a parameter and each point's place on it."""
    if _by_chips(key, points):
        names = {point.chips: point.values[key] for point in points}
        chips = sorted(names)
        title = "chips" if all(names[n] == f"chip{n}" for n in chips) else key
        labels = [str(n) if title == "chips" else names[n] for n in chips]
        return parameter_axis(title, chips, labels), lambda point: point.chips
    texts = list(dict.fromkeys(point.values.get(key, "") for point in points))
    try:
        numbers = {text: float(text) for text in texts}
    except ValueError:
        numbers = {text: float(i) for i, text in enumerate(texts)}
    ordered = sorted(texts, key=numbers.__getitem__)
    axis = parameter_axis(key, [numbers[text] for text in ordered], ordered)
    return axis, lambda point: numbers[point.values.get(key, "")]


def _curves(
    points: Sequence[Point], key: str, others: Sequence[str], place: Callable[[Point], float], figure: _Figure
) -> list[Curve]:
    """A curve for each combination of the other parameters."""
    if "workload" not in (key, *others) and len(workloads_of(points)) > 1:
        # Chosen by the topology, for instance: no curve leads from one workload to another.
        others = [*others, "workload"]
    by_others: dict[tuple[str, ...], list[Point]] = {}
    for point in points:
        values = {"workload": point.result["workload"], **point.values}
        by_others.setdefault(tuple(values.get(other, "") for other in others), []).append(point)
    fastest = sorted(by_others, key=lambda combination: min(figure.of(p)[1] for p in by_others[combination]))
    loud = set(fastest[:_MOST_CURVES])
    colours = itertools.count()
    curves = []
    for combination, members in by_others.items():
        name = ", ".join(
            f"{other.rpartition('.')[2]} {value}" for other, value in zip(others, combination, strict=True)
        )
        quiet = combination not in loud
        marks = sorted((_mark(point, place(point), key, name, figure) for point in members), key=lambda mark: mark.x)
        curves.append(Curve(name, marks, 0 if quiet else next(colours), quiet))
    return curves


def _mark(point: Point, x: float, key: str, name: str, figure: _Figure) -> Mark:
    low, middle, high = figure.of(point)
    runs = figure.runs(point)
    words = f"{key}={point.values.get(key, '')}{f', {name}' if name else ''}: {duration(middle)}"
    if runs > 1:
        words += f", half of {runs} runs {duration(low)} to {duration(high)}"
    return Mark(x, middle, low, high, words)


def _speed_up(title: str, x: Axis, curves: Sequence[Curve]) -> Chart:
    """How many times faster than with the fewest chips, curve by curve."""
    relative = []
    for curve in curves:
        base = curve.marks[0]
        marks = [
            Mark(
                mark.x,
                base.y / mark.y,
                base.y / mark.high,
                base.y / mark.low,
                f"{base.y / mark.y:.2f}x with {mark.x:g} chips{f', {curve.name}' if curve.name else ''}",
            )
            for mark in curve.marks
        ]
        relative.append(Curve(curve.name, marks, curve.colour, curve.quiet))
    first, last = x.ticks[0][0], x.ticks[-1][0]
    reached = max(mark.high for curve in relative for mark in curve.marks)
    top = min(last / first, 2 * reached)
    values = [mark.high for curve in relative for mark in curve.marks] + [top]
    # From 0, whatever the range: a speed-up is read against the ideal line.
    y = figure_axis("times faster", [0.0, *values], lambda value: f"{value:g}x")
    return Chart(title, x, y, relative, _ideal(first, top * first))


def _ideal(first: float, last: float) -> list[tuple[float, float]]:
    """Proportional to the number of chips; many places, because the axis may be logarithmic."""
    steps = 32
    return [(at, at / first) for at in (first * (last / first) ** (i / steps) for i in range(steps + 1))]
