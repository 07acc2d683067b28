"""The charts of a sweep: curves over each swept number, bars over values without an order, and the speed-up over the
number of chips."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.report.plot.axis import Axis, figure_axis, log_axis, parameter_axis
from pipeline.report.plot.bars import Bar, bar_chart
from pipeline.report.plot.lines import Chart, Curve, Mark, legend, line_chart
from pipeline.report.units import page_duration
from pipeline.sweep.points import workloads_of
from pipeline.sweep.titles import key_words

if TYPE_CHECKING:
    from pipeline.sweep.points import Point

Figure = dict[str, str]
"""A chart: ``title``, ``svg``, ``legend``; ``kind`` is ``wide`` if it needs the whole width."""
_MOST_CURVES = 8
"""Most curves that a reader can tell apart; of more, the fastest are named and the others are in the background."""


@dataclass(frozen=True, slots=True)
class _Figure:
    """The quantity that a chart shows for each point."""

    of: Callable[[Point], tuple[float, float, float]]
    """Quartiles, in seconds."""
    runs: Callable[[Point], int]
    """Their number of measurements."""
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


def charts_of(points: Sequence[Point], keys: Sequence[str]) -> list[Figure]:
    """The charts of a sweep; none for a parameter with fewer than two values that have a figure.

    Measured and virtual times never share a chart.

    Args:
        points: the points, with their results read.
        keys: the swept keys.
    """
    measured = [point for point in points if point.measured]
    virtual = [point for point in points if point.virtual_ns]
    return [*_charts(measured, keys, _MEASURED), *_charts(virtual, keys, _VIRTUAL)]


def _charts(measured: Sequence[Point], keys: Sequence[str], figure: _Figure) -> list[Figure]:
    charts: list[Figure] = []
    for key in keys:
        if len({point.values.get(key) for point in measured}) < 2:
            continue
        others = [other for other in keys if other != key]
        title = f"{figure.name} over {key}"
        if _by_chips(key, measured):
            charts += _scaling(measured, key, others, figure, title)
        elif numbers_of(point.values.get(key, "") for point in measured) is None:
            charts.append(_bars(measured, key, others, figure, title))
        else:
            x, place = _parameter(key, measured)
            curves = _curves(measured, key, others, place, figure)
            y = figure_axis(figure.axis, _seconds(curves), _time)
            charts.append(_drawn(Chart(title, x, y, curves)))
    return charts


def _drawn(chart: Chart) -> Figure:
    return {"title": chart.title, "svg": line_chart(chart), "legend": legend(chart)}


def _seconds(curves: Sequence[Curve]) -> list[float]:
    return [value for curve in curves for mark in curve.marks for value in (mark.low, mark.y, mark.high)]


def _time(seconds: float) -> str:
    return page_duration(seconds) if seconds else "0"


def numbers_of(texts: Iterable[str]) -> dict[str, float] | None:
    """The numbers of the texts, the smallest first; None if one of the texts is no number."""
    try:
        found = {text: float(text) for text in texts}
    except ValueError:
        return None
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def _scaling(points: Sequence[Point], key: str, others: Sequence[str], figure: _Figure, title: str) -> list[Figure]:
    """Time and speed-up over the number of chips, both logarithmic, with the ideal line."""
    x, place = _parameter(key, points)
    curves = _curves(points, key, others, place, figure)
    seconds = [value for value in _seconds(curves) if value > 0]
    first, last = x.ticks[0][0], x.ticks[-1][0]
    # The ideal line begins at the slowest curve, so that it is above no slower curve.
    begin = max(curve.marks[0].y for curve in curves)
    ideal = [(first, begin), (last, begin * first / last)]
    y = log_axis(figure.axis, min(*seconds, ideal[-1][1]) / 1.15, max(seconds) * 1.15, _time)
    time = Chart(title, x, y, curves, ideal, "ideal: twice the chips, half the time")
    return [_drawn(time), _drawn(_speed_up(f"{figure.speed_up} over {key}", x, curves))]


def _bars(points: Sequence[Point], key: str, others: Sequence[str], figure: _Figure, title: str) -> Figure:
    """A group of bars for each value, in the order of the command line."""
    places = {text: float(i) for i, text in enumerate(dict.fromkeys(point.values.get(key, "") for point in points))}
    curves = _curves(points, key, others, lambda point: places[point.values.get(key, "")], figure)
    loud = [curve for curve in curves if not curve.quiet]
    axis = figure_axis(figure.axis, [0.0, *_seconds(loud)], _time)
    groups = [
        (
            text,
            [
                Bar(mark.y, mark.low, mark.high, _time(mark.y), mark.words, curve.colour)
                for curve in loud
                for mark in curve.marks
                if mark.x == place
            ],
        )
        for text, place in places.items()
    ]
    chart = Chart(title, axis, axis, curves)
    return {"title": title, "svg": bar_chart(title, axis, groups), "legend": legend(chart)}


def _by_chips(key: str, points: Sequence[Point]) -> bool:
    """Whether a parameter is a topology whose values differ in the number of chips, for one workload."""
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
    numbers = numbers_of(point.values.get(key, "") for point in points)
    assert numbers is not None
    axis = parameter_axis(key, list(numbers.values()), list(numbers))
    return axis, lambda point: numbers[point.values.get(key, "")]


def _curves(
    points: Sequence[Point], key: str, others: Sequence[str], place: Callable[[Point], float], figure: _Figure
) -> list[Curve]:
    """A curve for each combination of the other parameters."""
    if "workload" not in (key, *others) and len(workloads_of(points)) > 1:
        # A topology may select the workload: no curve connects two workloads.
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
        name = ", ".join(f"{key_words(other)} {value}" for other, value in zip(others, combination, strict=True))
        quiet = combination not in loud
        marks = sorted((_mark(point, place(point), key, name, figure) for point in members), key=lambda mark: mark.x)
        curves.append(Curve(name, marks, 0 if quiet else next(colours), quiet))
    return curves


def _mark(point: Point, x: float, key: str, name: str, figure: _Figure) -> Mark:
    low, middle, high = figure.of(point)
    runs = figure.runs(point)
    words = f"{key}={point.values.get(key, '')}{f', {name}' if name else ''}: {page_duration(middle)}"
    if runs > 1:
        words += f", half of {runs} runs {page_duration(low)} to {page_duration(high)}"
    return Mark(x, middle, low, high, words)


def _speed_up(title: str, x: Axis, curves: Sequence[Curve]) -> Chart:
    """The speed-up over the fewest chips, for each curve."""
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
    values = [value for curve in relative for mark in curve.marks for value in (mark.low, mark.high)]
    y = log_axis("times faster", min(values) / 1.1, max(*values, last / first) * 1.1, lambda value: f"{value:g}x")
    return Chart(title, x, y, relative, [(first, 1.0), (last, last / first)], "ideal")
