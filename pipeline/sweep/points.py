"""The points of a sweep: their overrides, run directories and results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.config.topology import parse_topology
from pipeline.exit_codes import CONFIGURATION, WORKER_LOST
from pipeline.report.outputs import REPORT

if TYPE_CHECKING:
    from pipeline.baseline.comparison import Comparison

_RESULT = "result.json"


@dataclass(slots=True)
class Point:
    """One point, launched or not."""

    overrides: tuple[str, ...]
    """The overrides of the command line, for this point and for all points."""
    number: int | None = None
    """The job's number; None if the point could not be composed."""
    folder: Path | None = None
    """The job's run directory, absolute."""
    returned: int | None = None
    """The job's exit code; None if its process ended without one, or the job has not ended."""
    error: str = ""
    """The reason if there is no result."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """The job's result.json; empty if there is none."""
    run_seconds: tuple[float, float, float] | None = None
    """Quartiles of the measured runs; None if none was measured."""
    reused: bool = False
    """Whether the folder existed before, from an earlier sweep."""

    def use(self, folder: Path) -> None:
        """Sets its folder, and removes an earlier sweep's files there that would be read as its own."""
        self.folder, self.reused = folder, folder.is_dir()
        for left in (_RESULT, REPORT):
            (folder / left).unlink(missing_ok=True)

    @property
    def begun(self) -> bool:
        """Whether it has begun: its folder exists or, if the folder existed before, has a result."""
        if self.folder is None:
            return False
        return (self.folder / _RESULT).is_file() if self.reused else self.folder.is_dir()

    def read_result(self) -> None:
        """Reads the job's result."""
        try:
            self.result = json.loads((self.folder / _RESULT).read_text()) if self.folder else {}
        except (OSError, ValueError):
            self.result = {}
        runs = self.result.get("measurements", {}).get("run_seconds", [])
        if runs:
            low, middle, high = (float(x) for x in np.percentile(runs, (25, 50, 75)))
            self.run_seconds = low, middle, high
        if self.result:
            self.error = str(self.result["error"] or "")
        elif not self.error:
            lost = self.returned is None
            self.error = "its process ended without a result" if lost else f"it could not write {_RESULT}"

    @property
    def status(self) -> str:
        """The result's status; without a result, ``"lost"`` if the job's process was lost, else ``"error"``."""
        if self.result:
            return str(self.result["status"])
        return "lost" if self.number is not None and self.returned in (None, WORKER_LOST) else "error"

    @property
    def exit_code(self) -> int:
        """The job's exit code; without a result, never 0."""
        if self.result:
            return int(self.result["exit_code"])
        return CONFIGURATION if self.number is None else self.returned or WORKER_LOST

    @property
    def measured(self) -> bool:
        """Whether the point succeeded and has measured runs."""
        return self.exit_code == 0 and self.run_seconds is not None

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """The quartiles of the measured runs in seconds; only if there are measured runs."""
        assert self.run_seconds is not None
        return self.run_seconds

    @property
    def virtual_ns(self) -> int | None:
        """Virtual time of the graph on modelled chips; None without a chip model, or if the point failed."""
        virtual = self.result.get("virtual")
        return int(virtual["makespan_ns"]) if virtual and self.exit_code == 0 else None

    @property
    def chips(self) -> int:
        """Number of chips of the topology, at all levels; only if there is a result."""
        return parse_topology(self.result["configuration"]["topology"]).total_chips

    @property
    def values(self) -> dict[str, str]:
        """Values by key, as in the overrides: ``+topology=chip8`` is ``chip8`` of ``topology``."""
        pairs = (override.lstrip("+").partition("=") for override in self.overrides)
        return {key: value.strip("'\"") for key, _, value in pairs}


def swept_keys(points: Sequence[Point]) -> list[str]:
    """The keys whose values differ between points, in the order of the command line."""
    values = [point.values for point in points]
    keys = dict.fromkeys(key for of_point in values for key in of_point if not key.startswith("hydra."))
    return [key for key in keys if len({of_point.get(key) for of_point in values}) > 1]


def workloads_of(points: Sequence[Point]) -> list[str]:
    """Names of the workloads that ran, each once, in the order of the points."""
    return list(dict.fromkeys(str(point.result["workload"]) for point in points if point.result))


def values_of(point: Point, keys: Sequence[str]) -> str:
    """A point's values of the swept keys, as its name; all its overrides if nothing was swept."""
    return " ".join(f"{key}={point.values[key]}" for key in keys if key in point.values) or " ".join(point.overrides)


def row_of(point: Point, keys: Sequence[str], comparison: Comparison | None = None) -> dict[str, Any]:
    """The row of a point in results.csv and results.parquet; durations are seconds, and missing figures are None.

    Args:
        point: the point, with its result if there is one.
        keys: the swept keys.
        comparison: the comparison with an earlier run, if there is one.
    """
    result = point.result
    runs = result.get("measurements", {}).get("run_seconds", [])
    low, middle, high = point.run_seconds or (None, None, None)
    tasks = result.get("tasks", {})
    execution, queue = tasks.get("execution_seconds") or {}, tasks.get("queue_seconds") or {}
    row: dict[str, Any] = {"job": point.number, **{key: _number_or_text(point.values.get(key, "")) for key in keys}}
    row |= {
        "status": point.status,
        "exit_code": point.exit_code,
        "runs": len(runs),
        "run_seconds_min": min(runs, default=None),
        "run_seconds_p25": low,
        "run_seconds_median": middle,
        "run_seconds_p75": high,
        "run_seconds_max": max(runs, default=None),
        "tasks": tasks.get("count"),
        "task_execution_seconds_median": execution.get("median"),
        "task_queue_seconds_median": queue.get("median"),
        "total_seconds": result.get("seconds"),
        "chips": point.chips if result else None,
    }
    if comparison is not None:
        ratio = comparison.ratio
        row |= {"compared_ratio": ratio.ratio, "compared_low": ratio.low, "compared_high": ratio.high}
        row |= {"compared_verdict": ratio.verdict, "compared_with": comparison.earlier.name}
    if virtual := result.get("virtual"):
        names = ("makespan_ns", "critical_path_ns", "one_by_one_ns", "chips_busy", "tasks")
        row |= {"virtual_model": virtual["model"], **{f"virtual_{name}": virtual[name] for name in names}}
    figures = (result.get("verification") or {}).get("figures", {})
    row |= {f"figure_{name}": value for name, value in figures.items()}
    row |= {f"hashid_{callable_['name']}": callable_["hashid"] for callable_ in result.get("callables", ())}
    return row | {"error": point.error, "folder": str(point.folder or "")}


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
