"""Reads the measurements of earlier runs, and finds the counterpart of a new run."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.report.result import RESULT_VERSION
from runtime.errors import ConfigurationError

_RESULT = "result.json"
_MEASURED = ("workload", "topology", "target", "build", "worker")
"""Sections of the configuration that define the measurement; the others only define outputs."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One successful run with its measurements."""

    name: str
    """The folder of its result, for messages."""
    configuration: Mapping[str, Any]
    """The configuration of the measurement, by dotted key."""
    run_seconds: Sequence[float]
    execution_seconds: Mapping[str, Sequence[float]]
    """Execution times of the tasks of each callable."""
    hashids: Mapping[str, str]
    """The hashid of each callable."""
    machine: str
    """The processor and its cores."""
    load_average: float | None
    """The load average of the minute before the run; None if it was not recorded."""
    cores: int


def measured_of(document: Mapping[str, Any], name: str) -> Measured | None:
    """The measurements of a result document; None if it has none or the run failed."""
    measurements = document.get("measurements") or {}
    if document["exit_code"] or not measurements.get("run_seconds"):
        return None
    machine = document["provenance"].get("machine") or {}
    return Measured(
        name,
        _flat({section: document["configuration"].get(section) for section in _MEASURED}),
        measurements["run_seconds"],
        measurements["execution_seconds"],
        {callable_["name"]: callable_["hashid"] for callable_ in document["callables"]},
        f"{machine.get('cpu')}, {machine.get('cores')} cores",
        machine.get("load_average"),
        int(machine.get("cores") or 1),
    )


@functools.cache
def load_earlier(path: str, asked: str = "") -> tuple[Measured, ...]:
    """The runs that ``compare=path`` names: a result.json, a run's directory, or a sweep's directory with all points.

    Each place is read once in a process: the points of a sweep share it.

    Args:
        path: the place.
        asked: its name in messages; empty: ``compare=path``.

    Raises:
        ConfigurationError: the place does not exist, or has no run to compare with.
    """
    asked = asked or f"compare={path}"
    place = Path(path).expanduser()
    if not place.exists():
        raise ConfigurationError(f"{asked}: no such file or directory; give a result.json, a run or a sweep")
    files = [place] if place.is_file() else [place / _RESULT] if (place / _RESULT).is_file() else []
    files = files or sorted(place.rglob(_RESULT))
    if not files:
        raise ConfigurationError(f"{asked}: no {_RESULT} in this directory; give a run or a sweep")
    found = []
    for file in files:
        try:
            document = json.loads(file.read_text())
            if document["version"] != RESULT_VERSION:
                raise ConfigurationError(
                    f"{asked}: {file} has version {document['version']}, and this is version {RESULT_VERSION}; "
                    "measure again"
                )
            measured = measured_of(document, str(file.parent))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{asked}: {file} is no result of a run: {error!r}") from None
        if measured is not None:
            found.append(measured)
    if not found:
        raise ConfigurationError(f"{asked}: no run there succeeded with measurements")
    return tuple(found)


def differing_keys(runs: Sequence[Measured]) -> list[str]:
    """The dotted keys of the configuration that differ between the runs."""
    keys = dict.fromkeys(key for run in runs for key in run.configuration)
    return [key for key in keys if any(run.configuration.get(key) != runs[0].configuration.get(key) for run in runs)]


def counterpart(run: Measured, swept: Sequence[str], earlier: Sequence[Measured]) -> Measured | None:
    """The earlier run to compare with.

    Args:
        run: the new run.
        swept: keys that differ between the points of the new sweep; none for a single run.
        earlier: at least one.

    Returns:
        A single earlier run is always the counterpart. Among several, it is the run with the same values of
        ``swept``; if there are several of these, or no keys were swept, the run with the same whole configuration.
        None if there is none.
    """
    if len(earlier) == 1:
        return earlier[0]
    same = [old for old in earlier if all(old.configuration.get(key) == run.configuration.get(key) for key in swept)]
    if len(same) != 1:
        same = [old for old in same if old.configuration == run.configuration]
    return same[0] if len(same) == 1 else None


def _flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
