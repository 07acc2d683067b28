"""The benchmark's output: a table for people, JSON in pytest-benchmark's format."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmark.measure import OURS, Row

HEAD = ["| work | callring | beside it (how many times better callring is) | goal |", "| --- | --- | --- | --- |"]


def table(rows: Iterable[Row]) -> list[str]:
    """Lines of a Markdown table: median (min to max) of Callring and of each peer."""
    return [*HEAD, *map(line, rows)]


def line(row: Row) -> str:
    """One line of the table."""
    beside = [
        f"{name} {_cell(rounds, row.unit)}: {figure(row.ratio_to(name))} x"
        for name, rounds in row.figures.items()
        if name != OURS
    ]
    return f"| {row.name} | {_cell(row.figures[OURS], row.unit)} | {'; '.join(beside)} | {row.goal} |"


def _cell(rounds: list[float], unit: str) -> str:
    if not rounds:
        return "none"
    low, middle, high = (figure(value) for value in (min(rounds), statistics.median(rounds), max(rounds)))
    return f"{middle} {unit} ({low} to {high})" if len(rounds) > 1 else f"{middle} {unit}"


def figure(value: float) -> str:
    """A number with three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def document(rows: Iterable[Row], command: str = "") -> dict[str, Any]:
    """The rows as JSON, in pytest-benchmark's format."""
    return {
        "machine_info": {"node": "", "processor": platform.machine(), "cpu": {"count": os.cpu_count()}},
        "datetime": datetime.now(UTC).isoformat(),
        "version": "1",
        "command": command,
        "benchmarks": [
            {
                "group": row.name,
                "name": f"{row.name}[{name}]",
                "params": {"contender": name},
                "extra_info": {"unit": row.unit, "higher_is_better": row.higher_is_better, "goal": row.goal},
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
            if rounds
        ],
    }


def command_of(results: dict[str, Any]) -> str:
    """The command of a run, with files by their names alone: the folders were those of one machine."""
    return " ".join(Path(word).name for word in results["command"].split())


def rows_of(results: dict[str, Any]) -> list[Row]:
    """The rows that document() wrote."""
    rows: dict[str, Row] = {}
    for each in results["benchmarks"]:
        info = each["extra_info"]
        row = rows.setdefault(
            each["group"], Row(each["group"], info["unit"], info["higher_is_better"], goal=info.get("goal", ""))
        )
        row.figures[each["params"]["contender"]] = each["stats"]["data"]
    return list(rows.values())
