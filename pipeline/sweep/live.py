"""A sweep on its live page: every point, with its results as soon as they exist."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.config.schema import FOR_PEOPLE
from pipeline.live.session import Ending, LivePage
from pipeline.report.outputs import REPORT
from pipeline.report.result import STATUS
from pipeline.sweep.points import workloads_of
from pipeline.sweep.titles import key_words, sweep_title
from pipeline.terminal.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from omegaconf import DictConfig

    from pipeline.sweep.points import Point


def begin_page(config: DictConfig, points: Sequence[Point], keys: Sequence[str], total: int) -> LivePage:
    """Serves the page of a sweep, and prints its address.

    Args:
        config: the sweep's own configuration.
        points, keys, total: as for LiveSweep.

    Raises:
        ConfigurationError: the port cannot be used; the message names the key.
    """
    sweep = LiveSweep(points, keys, total, str((config.workload or {}).get("name", "")))
    page = LivePage("sweep", config.live_port, sweep)
    people = config.output.name in FOR_PEOPLE
    page.say(Console(sys.stdout if people else None), people=people)
    return page


def ending(folder: Path, code: int | None) -> Ending | None:
    """The last message of the page.

    Args:
        folder: the sweep's directory, with its results.
        code: the sweep's exit code; None if the sweep itself failed.
    """
    return Ending(STATUS.get(code, "error"), code, "", folder / "sweep.html") if code is not None else None


class LiveSweep:
    """Reads the results of points, from files and so of every process, when a page requests them.

    Args:
        points: the sweep's points; the sweep appends to them.
        keys: the swept keys.
        total: number of points to launch.
        workload: the name of the workload in the sweep's own configuration, for the title until a point has ended.
    """

    def __init__(self, points: Sequence[Point], keys: Sequence[str], total: int, workload: str) -> None:
        self._points, self._keys, self._total, self._workload = points, keys, total, workload
        self._begin = time.monotonic()
        self._ended: dict[int, Point] = {}
        """Ended points, by their place, with their results: each result is read once."""

    def tell(self, running: Path | None) -> dict[str, Any]:
        """See pipeline.live.session.Swept.

        Returns:
            ``title``, ``elapsed``, ``keys``, ``total``, ``running`` (a job's number or null), and ``points``, each
            ``job``, ``values``, ``status``, ``runs``, ``median`` in seconds, ``error`` and whether it has a ``report``.
        """
        points = list(self._points)
        now = [point.number for point in points if running is not None and point.folder == running]
        workloads = workloads_of(list(self._ended.values())) or [self._workload]
        return {
            "title": sweep_title(workloads, self._keys, tuned=False),
            "elapsed": time.monotonic() - self._begin,
            "keys": [key_words(key) for key in self._keys],
            "total": max(self._total, len(points)),
            "running": now[0] if now else None,
            "points": [self._row(place, point, running) for place, point in enumerate(points)],
        }

    def report(self, number: int) -> Path | None:
        """See pipeline.live.session.Swept."""
        reports = (_report_of(point) for point in list(self._points) if point.number == number)
        return next((report for report in reports if report is not None), None)

    def _row(self, place: int, point: Point, running: Path | None) -> dict[str, Any]:
        known = self._ended.get(place) or self._read(place, point)
        row = {"job": point.number, "values": [point.values.get(key, "") for key in self._keys]}
        if known is None:
            status = "running" if point.begun or point.folder == running else "waiting"
            return row | {"status": status, "runs": 0, "median": None, "error": "", "report": False}
        runs = known.result.get("measurements", {}).get("run_seconds", [])
        return row | {
            "status": known.status,
            "runs": len(runs),
            "median": known.run_seconds[1] if known.run_seconds else None,
            "error": known.error.strip().partition("\n")[0],
            "report": point.number is not None and _report_of(point) is not None,
        }

    def _read(self, place: int, point: Point) -> Point | None:
        """A copy of the point with its result; None while a result may still come."""
        ended = replace(point)
        ended.read_result()
        if not ended.result and not point.error:
            return None
        self._ended[place] = ended
        return ended


def _report_of(point: Point) -> Path | None:
    report = point.folder / REPORT if point.folder is not None else None
    return report if report is not None and report.is_file() else None
