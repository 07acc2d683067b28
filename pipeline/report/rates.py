"""How much work the tasks of a callable do in a second, where that is declared, beside what is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.report.plot.axis import log_axis
from pipeline.report.plot.lines import Chart, Curve, Mark, legend, line_chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.report.record import CallableRecord
    from pipeline.report.roofs import Roofs

_GIGA = 1e9


def rate_rows(callables: Sequence[CallableRecord], tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each callable that declares its work and has tasks.

    Args:
        callables: of a run.
        tasks: of result.json.

    Returns:
        ``callable``; ``flop`` and ``bytes`` of a task, ``seconds`` (the median), ``gflop_per_second``,
        ``gb_per_second``, ``intensity`` (FLOP for each byte); what is not declared is None.
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


def rates_document(rows: Sequence[Mapping[str, Any]], roofs: Roofs) -> dict[str, Any]:
    """What the page shows: the rows, the roofs in giga, and the roofline if a callable declares both."""
    both = [row for row in rows if row["intensity"]]
    return {
        "rows": list(rows),
        "gflop_per_second": roofs.flop_per_second / _GIGA,
        "gb_per_second": roofs.bytes_per_second / _GIGA,
        "roofs": roofs.words,
        "figure": _roofline(both, roofs) if both else None,
    }


def _roofline(rows: Sequence[Mapping[str, Any]], roofs: Roofs) -> dict[str, str]:
    peak, bandwidth = roofs.flop_per_second / _GIGA, roofs.bytes_per_second / _GIGA
    ridge = peak / bandwidth
    at = [row["intensity"] for row in rows]
    low, high = min(*at, ridge) / 4, max(*at, ridge) * 4
    roof = [(low, bandwidth * low), (ridge, peak), (high, peak)]
    values = [row["gflop_per_second"] for row in rows]
    x = log_axis("FLOP for each byte", low, high, lambda value: f"{value:g}")
    y = log_axis("GFLOP/s", min(*values, roof[0][1]) / 2, max(*values, peak) * 2, lambda value: f"{value:g}")
    curves = []
    for colour, row in enumerate(rows):
        reached = row["gflop_per_second"] / min(peak, bandwidth * row["intensity"])
        words = f"{row['callable']}: {row['gflop_per_second']:.3g} GFLOP/s, {100 * reached:.0f} % of the roof above it"
        value = row["gflop_per_second"]
        curves.append(
            Curve(row["callable"], [Mark(row["intensity"], value, value, value, words)], colour, joined=False)
        )
    chart = Chart("Roofline: tasks of each callable below what the machine can do", x, y, curves, roof, "the roof")
    return {"title": chart.title, "svg": line_chart(chart), "legend": legend(chart)}
