"""What the benchmark prints and writes: a table for people, JSON in pytest-benchmark's shape."""

from __future__ import annotations

import os
import platform
import statistics
from datetime import UTC, datetime
from typing import Any

from tests.benchmark.contenders import CONTENDERS
from tests.benchmark.measure import Row


def table(rows: list[Row]) -> list[str]:
    """Lines of a Markdown table: median (min to max) for each contender, and our ratio to the best peer."""
    lines = ["| work | " + " | ".join(CONTENDERS) + " | better than the best peer |", "| --- |" + " --- |" * 4]
    for row in rows:
        cells = [_cell(row.figures.get(name), row.unit) for name in CONTENDERS]
        ratios = [row.ratio_to(name) for name in row.figures if name != "callring"]
        lines.append(f"| {row.name} | " + " | ".join(cells) + f" | {f'{min(ratios):.1f}x' if ratios else ''} |")
    return lines


def _cell(rounds: list[float] | None, unit: str) -> str:
    if not rounds:
        return ""
    low, middle, high = (_figure(value) for value in (min(rounds), statistics.median(rounds), max(rounds)))
    return f"{middle} {unit} ({low} to {high})" if len(rounds) > 1 else f"{middle} {unit}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def document(rows: list[Row]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "machine_info": {"node": "", "processor": platform.machine(), "cpu": {"count": os.cpu_count()}},
        "datetime": datetime.now(UTC).isoformat(),
        "version": "1",
        "benchmarks": [
            {
                "group": row.name,
                "name": f"{row.name}[{name}]",
                "params": {"contender": name},
                "extra_info": {"unit": row.unit, "higher_is_better": row.higher_is_better},
                "stats": {
                    "min": min(rounds),
                    "max": max(rounds),
                    "median": statistics.median(rounds),
                    "mean": statistics.fmean(rounds),
                    "rounds": len(rounds),
                    "data": rounds,
                },
            }
            for row in rows
            for name, rounds in row.figures.items()
        ],
    }
