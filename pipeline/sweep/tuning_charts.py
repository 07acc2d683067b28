"""Charts of a tuning: the best so far, the quality of pairs of values, and every point across all parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.common.counts import count_of
from pipeline.report.plot.axis import figure_axis, parameter_axis
from pipeline.report.plot.heat import heat_map
from pipeline.report.plot.lines import Chart, Curve, Mark, legend, line_chart
from pipeline.report.plot.parallel import Thread, parallel_plot
from pipeline.report.units import page_duration
from pipeline.sweep.curves import numbers_of
from pipeline.sweep.points import values_of
from pipeline.sweep.titles import key_words

if TYPE_CHECKING:
    from pipeline.sweep.curves import Figure
    from pipeline.sweep.points import Point

_MOST_MAPS = 3


def tuning_figures(
    points: Sequence[Point], keys: Sequence[str], objective: Callable[[Point], float | None], name: str
) -> list[Figure]:
    """The charts of a tuning; none if no point gave a figure.

    Args:
        points: the points in the order of their runs.
        keys: the swept keys.
        objective: the value of the objective for each point in seconds; None without a value.
        name: the name of the objective.
    """
    figures = {id(point): value for point in points if (value := objective(point)) is not None}
    ended = [point for point in points if id(point) in figures]
    if not ended:
        return []

    def seconds(point: Point) -> float:
        return figures[id(point)]

    best, worst = min(map(seconds, ended)), max(map(seconds, ended))

    def good(value: float) -> float:
        return 1.0 if worst == best else (worst - value) / (worst - best)

    charts = [_best_so_far(points, ended, seconds, name)]
    several = [key for key in keys if len({point.values.get(key) for point in ended}) > 1]
    if len(several) > 1:
        charts.append(_threads(ended, several, seconds, good, name))
    for pair in list(itertools.combinations(several, 2))[:_MOST_MAPS]:
        charts.append(_map(points, ended, pair, seconds=seconds, good=good, name=name))
    return charts


def _best_so_far(
    points: Sequence[Point], ended: Sequence[Point], seconds: Callable[[Point], float], name: str
) -> Figure:
    numbers = {id(point): float(i + 1) for i, point in enumerate(points)}
    tried, best = [], []
    reached = float("inf")
    for point in ended:
        value = seconds(point)
        words = f"point {numbers[id(point)]:g}: {page_duration(value)} with {' '.join(point.overrides)}"
        tried.append(Mark(numbers[id(point)], value, value, value, words))
        if value < reached:
            reached = value
            best.append(Mark(numbers[id(point)], value, value, value, words))
    # A staircase: each best value holds until there is a better one.
    stairs = []
    for before, after in itertools.pairwise(
        [*best, Mark(float(len(points)), reached, reached, reached, best[-1].words)]
    ):
        stairs += [before, Mark(after.x, before.y, before.y, before.y, before.words)]
    tries = range(1, len(points) + 1)
    x = parameter_axis("points tried", [float(i) for i in tries], [str(i) for i in tries], may_be_logarithmic=False)
    y = figure_axis(name, [mark.y for mark in tried], page_duration, from_zero=False)
    curves = [Curve("tried", tried, 9, joined=False), Curve("best so far", stairs, 2)]
    chart = Chart(f"Best so far, of {count_of(len(points), 'point')}", x, y, curves)
    return {"title": chart.title, "svg": line_chart(chart), "legend": legend(chart)}


def _ordered(points: Sequence[Point], key: str) -> list[str]:
    """The values of a parameter: numbers in ascending order, words in their original order."""
    texts = list(dict.fromkeys(point.values.get(key, "") for point in points))
    numbers = numbers_of(texts)
    return texts if numbers is None else list(numbers)


def _map(
    points: Sequence[Point],
    ended: Sequence[Point],
    pair: tuple[str, str],
    *,
    seconds: Callable[[Point], float],
    good: Callable[[float], float],
    name: str,
) -> Figure:
    x, y = pair
    cells: dict[tuple[str, str], tuple[float, str]] = {}
    by_cell: dict[tuple[str, str], list[Point]] = {}
    for point in ended:
        by_cell.setdefault((point.values.get(x, ""), point.values.get(y, "")), []).append(point)
    for place, members in by_cell.items():
        value = min(map(seconds, members))
        more = f", the best of {len(members)}" if len(members) > 1 else ""
        cells[place] = good(value), f"{page_duration(value)}{more}"
    bad = {(point.values.get(x, ""), point.values.get(y, "")): point.status for point in points if point not in ended}
    rows = list(reversed(_ordered(points, y)))
    title = f"{name.capitalize()} over {key_words(x)} and {key_words(y)}: the stronger the colour, the faster"
    svg = heat_map(title, (key_words(x), _ordered(points, x)), (key_words(y), rows), cells, bad)
    crosses = "<ul class='legend'><li>\u00d7 impossible or failed; empty: not tried</li></ul>"
    return {"title": title, "svg": svg, "legend": crosses}


def _threads(
    ended: Sequence[Point],
    keys: Sequence[str],
    seconds: Callable[[Point], float],
    good: Callable[[float], float],
    name: str,
) -> Figure:
    values = {key: _ordered(ended, key) for key in keys}

    def place(key: str, text: str) -> float:
        return values[key].index(text) / max(1, len(values[key]) - 1)

    fast = figure_axis(name, [seconds(point) for point in ended], page_duration, from_zero=False)
    best = min(ended, key=seconds)
    threads = [
        Thread(
            [*(place(key, point.values.get(key, "")) for key in keys), fast.place(seconds(point))],
            good(seconds(point)),
            f"{page_duration(seconds(point))}: {values_of(point, keys)}",
            point is best,
        )
        for point in ended
    ]
    axes = [(key_words(key), _ticks([(place(key, text), text) for text in values[key]])) for key in keys]
    axes.append((name, [(fast.place(value), label) for value, label in fast.ticks]))
    title = "Every point across all parameters; green: the best, strong: the best quarter"
    return {"title": title, "svg": parallel_plot(title, axes, threads), "legend": "", "kind": "wide"}


def _ticks(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """About ten of many values, with both ends."""
    step = -(-len(ticks) // 10)
    return [tick for i, tick in enumerate(ticks) if i % step == 0 or i == len(ticks) - 1]
