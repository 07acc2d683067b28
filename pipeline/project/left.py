"""The directories of runs and sweeps below a folder, the newest first."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.common.places import shown_path
from pipeline.config.suggest import near
from pipeline.report.result import RESULT_VERSION
from runtime.errors import ConfigurationError

_RESULT = "result.json"
_SWEEP = "results.csv"
_DEPTH = 4
"""Depth of the folder of a sweep's point: multirun/DATE/TIME/NUMBER."""


@dataclass(frozen=True)
class Left:
    """The folder of one run, or of one sweep."""

    folder: Path
    seconds: float
    """When its last file was written, in seconds since the epoch."""
    points: tuple[Path, ...] = ()
    """For a sweep, the folders of its points."""

    @property
    def name(self) -> str:
        """Its name in lists and on the command line."""
        return shown_path(self.folder)

    @property
    def page(self) -> Path:
        """Its page for a browser."""
        return self.folder / ("sweep.html" if self.points else "report.html")

    def documents(self) -> list[dict[str, Any]]:
        """The results of the run, or of the points of the sweep, except documents that this version cannot read."""
        found = []
        for folder in self.points or (self.folder,):
            try:
                document = json.loads((folder / _RESULT).read_text())
            except (OSError, ValueError):
                continue
            if isinstance(document, dict) and document.get("version") == RESULT_VERSION:
                found.append(document)
        return found


def find_left(top: Path) -> list[Left]:
    """Runs and sweeps below ``top``, the newest first."""
    runs: dict[Path, float] = {}
    sweeps: dict[Path, float] = {}
    for place, folders, files in os.walk(top):
        folder = Path(place)
        depth = len(folder.relative_to(top).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _DEPTH else []
        for name, found in ((_RESULT, runs), (_SWEEP, sweeps)):
            if name in files:
                found[folder] = (folder / name).stat().st_mtime
    points = {run for run in runs if run.parent in sweeps}
    left = [Left(folder, seconds) for folder, seconds in runs.items() if folder not in points]
    for folder, seconds in sweeps.items():
        own = tuple(sorted(point for point in points if point.parent == folder))
        if own:
            left.append(Left(folder, seconds, own))
    return sorted(left, key=lambda one: one.seconds, reverse=True)


def newest_page(top: Path) -> Path | None:
    """The page of the last run or sweep that has one."""
    return next((one.page for one in find_left(top) if one.page.is_file()), None)


def named(name: str, left: list[Left]) -> Left:
    """The run or sweep of this name: its folder, or a unique part of its name.

    Raises:
        ConfigurationError: no run or several runs match; the message names them.
    """
    folder = Path(name)
    if (folder / _RESULT).is_file() or (folder / _SWEEP).is_file():
        points = () if (folder / _RESULT).is_file() else tuple(path.parent for path in folder.glob(f"*/{_RESULT}"))
        return Left(folder, 0.0, points)
    found = [one for one in left if name in one.name]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(one.name for one in found[:3])
        raise ConfigurationError(
            f"{name!r}: {len(found)} runs have this in their names ({several} ...); give a longer part of the name"
        )
    hint = near(name, [one.name for one in left]) or "; callring show lists them"
    raise ConfigurationError(f"{name!r}: no run with this name below this folder{hint}")
