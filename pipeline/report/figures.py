"""The drawings of a run's page: its measurements, and its comparison with an earlier run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.report.plot.intervals import Interval, interval_plot
from pipeline.report.plot.strips import Strip, strip_plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Figure = dict[str, str]
"""``title`` and ``svg``."""
_LEAST = 2
"""Least measurements of a drawn series: a single one has no spread."""
_BEFORE = 9
"""Number of the colour of earlier measurements."""


def measurement_figures(measured: Mapping[str, Any], earlier: Mapping[str, Any] | None = None) -> list[Figure]:
    """Strips of the measured runs, and of the tasks of each callable if there are several.

    Args:
        measured: ``measurements`` of result.json.
        earlier: ``measurements`` of the earlier run of a comparison.
    """
    figures = []
    warm = measured.get("warm_up_seconds", ())
    runs = _pair("run", measured["run_seconds"], (earlier or {}).get("run_seconds", ()), warm, 0)
    if runs:
        figures.append(_figure("Measured runs, from the first submit to the end", runs))
    series = measured["execution_seconds"]
    if len(series) > 1:
        before = (earlier or {}).get("execution_seconds", {})
        strips = [
            strip
            for colour, (name, values) in enumerate(series.items())
            for strip in _pair(name, values, before.get(name, ()), (), colour % _BEFORE)
        ]
        if strips:
            figures.append(_figure("Execution of each callable's tasks: the median of each run", strips))
    return figures


def comparison_figures(comparison: Mapping[str, Any] | None) -> list[Figure]:
    """The intervals of a comparison."""
    if comparison is None:
        return []
    rows = [
        Interval(line["what"], line["ratio"], line["low"], line["high"], line["verdict"], line["words"])
        for line in comparison["lines"]
    ]
    title = "Times as long as before; the interval in which the ratio lies"
    return [{"title": title, "svg": interval_plot(title, rows)}]


def _pair(
    name: str, values: Sequence[float], before: Sequence[float], warm: Sequence[float], colour: int
) -> list[Strip]:
    if len(values) < _LEAST:
        return []
    strips = [Strip(name, values, warm, colour)]
    if len(before) >= _LEAST:
        strips.insert(0, Strip(f"{name}, before", before, (), _BEFORE))
    return strips


def _figure(title: str, strips: Sequence[Strip]) -> Figure:
    return {"title": title, "svg": strip_plot(title, strips)}
