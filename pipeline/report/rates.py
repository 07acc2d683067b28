"""The work per second of a callable's tasks, if the work is declared, beside the limits of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.report.plot.axis import log_axis
from pipeline.report.plot.lines import Chart, Curve, Mark, legend, line_chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.report.record import CallableRecord
    from pipeline.report.roofs import ModelledRoofs, Roofs

_GIGA = 1e9


def rate_rows(callables: Sequence[CallableRecord], tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each callable that declares its work and has tasks.

    Args:
        callables: the callables of a run.
        tasks: ``tasks`` of result.json.

    Returns:
        ``callable``; ``flop`` and ``bytes`` of a task, ``seconds`` (the median), ``gflop_per_second``,
        ``gb_per_second``, ``intensity`` (FLOP for each byte); undeclared values are None.
    """
    rows = []
    for record in callables:
        level: Mapping[str, Any] | None = tasks
        while level is not None:
            of_name = level["callables"].get(record.name) or {}
            seconds = (of_name.get("execution_seconds") or {}).get("median")
            if seconds and (record.flop or record.bytes):
                rows.append(
                    {
                        "callable": record.name,
                        "flop": record.flop or None,
                        "bytes": record.bytes or None,
                        "seconds": seconds,
                        "gflop_per_second": record.flop / seconds / _GIGA if record.flop else None,
                        "gb_per_second": record.bytes / seconds / _GIGA if record.bytes else None,
                        "intensity": record.flop / record.bytes if record.flop and record.bytes else None,
                    }
                )
                break
            level = level["below"]
    return rows


def rates_document(
    rows: Sequence[Mapping[str, Any]], roofs: Roofs, modelled: ModelledRoofs | None = None
) -> dict[str, Any]:
    """The data of the page: the rows, the roofs in giga, and the roofline if a callable declares both values.

    Args:
        rows: the result of ``rate_rows``.
        roofs: the roofs of this machine.
        modelled: the roofs of a chip of the run's chip model, if it has one.
    """
    both = [row for row in rows if row["intensity"]]
    return {
        "rows": list(rows),
        "gflop_per_second": roofs.flop_per_second / _GIGA,
        "gb_per_second": roofs.bytes_per_second / _GIGA,
        "roofs": roofs.words,
        "modelled": _modelled_words(modelled) if modelled else "",
        "figure": _roofline(both, roofs, modelled) if both else None,
    }


def _modelled_words(modelled: ModelledRoofs) -> str:
    moves = f"{modelled.bytes_per_second / _GIGA:.3g} GB/s"
    peak = modelled.flop_per_second
    does = f"{peak / _GIGA:.3g} GFLOP/s, by the costs of its callables, and {moves}" if peak else moves
    return f"The model {modelled.name} assumes that one chip does at most {does}."


def _roof(peak: float | None, bandwidth: float, low: float, high: float) -> list[tuple[float, float]]:
    """The roof from the lowest intensity to the highest; without a peak it rises without end."""
    ridge = peak / bandwidth if peak else high
    if not low < ridge < high:
        return [(x, min(peak or bandwidth * x, bandwidth * x)) for x in (low, high)]
    return [(low, bandwidth * low), (ridge, bandwidth * ridge), (high, bandwidth * ridge)]


def _roofline(rows: Sequence[Mapping[str, Any]], roofs: Roofs, modelled: ModelledRoofs | None) -> dict[str, str]:
    peak, bandwidth = roofs.flop_per_second / _GIGA, roofs.bytes_per_second / _GIGA
    ridge = peak / bandwidth
    at = [row["intensity"] for row in rows]
    low, high = min(*at, ridge) / 4, max(*at, ridge) * 4
    roof = _roof(peak, bandwidth, low, high)
    other: list[tuple[float, float]] = []
    if modelled is not None:
        its_peak = modelled.flop_per_second / _GIGA if modelled.flop_per_second else None
        other = _roof(its_peak, modelled.bytes_per_second / _GIGA, low, high)
    values = [row["gflop_per_second"] for row in rows]
    ends = [*roof, *other]
    x = log_axis("FLOP for each byte", low, high, lambda value: f"{value:g}")
    y = log_axis(
        "GFLOP/s",
        min(*values, *(y for _, y in ends)) / 2,
        max(*values, *(y for _, y in ends)) * 2,
        lambda value: f"{value:g}",
    )
    curves = []
    for colour, row in enumerate(rows):
        reached = row["gflop_per_second"] / min(peak, bandwidth * row["intensity"])
        words = f"{row['callable']}: {row['gflop_per_second']:.3g} GFLOP/s, {100 * reached:.0f} % of the roof above it"
        value = row["gflop_per_second"]
        curves.append(
            Curve(row["callable"], [Mark(row["intensity"], value, value, value, words)], colour, joined=False)
        )
    named = ("this machine", other, f"one chip of the model {modelled.name}" if modelled else "")
    chart = Chart("Roofline: tasks of each callable below what the machine can do", x, y, curves, roof, *named)
    return {"title": chart.title, "svg": line_chart(chart), "legend": legend(chart)}
