"""Reads what earlier runs measured, and finds the one that a new run is to be compared with."""

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
"""Sections of the configuration that say what was measured; the others say where things go and what is printed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run that ended well, with what it measured."""

    name: str
    """For messages: where its result is."""
    configuration: Mapping[str, Any]
    """What was measured, by dotted key."""
    run_seconds: Sequence[float]
    execution_seconds: Mapping[str, Sequence[float]]
    """Of the tasks of each callable."""
    hashids: Mapping[str, str]
    """Of each callable."""
    machine: str
    """What the figures depend on beside the code."""
    load_average: float | None
    """Of the machine when the run began, over the minute before; None if it was not recorded."""
    cores: int


def measured_of(document: Mapping[str, Any], name: str) -> Measured | None:
    """What a result document measured; None if it measured nothing or did not end well."""
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
    """What ``compare=path`` names: a result.json, a run's directory, or a sweep's with all its points.

    Read once in a process: the points of a sweep share it.

    Args:
        path: the place.
        asked: what messages call it; default: ``compare=path``.

    Raises:
        ConfigurationError: there is nothing there, or nothing that can be compared with.
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
        raise ConfigurationError(f"{asked}: nothing there ended well with measured runs")
    return tuple(found)


def differing_keys(runs: Sequence[Measured]) -> list[str]:
    """The dotted keys of the configuration that are not the same in all runs."""
    keys = dict.fromkeys(key for run in runs for key in run.configuration)
    return [key for key in keys if any(run.configuration.get(key) != runs[0].configuration.get(key) for run in runs)]


def counterpart(run: Measured, swept: Sequence[str], earlier: Sequence[Measured]) -> Measured | None:
    """The earlier run to compare with.

    Args:
        run: the new run.
        swept: keys that tell the points of the new sweep apart; none for a run of its own.
        earlier: at least one.

    Returns:
        If there is only one earlier run, that one. Else the one with the same values of ``swept``; if there are
        several, or nothing was swept, the one whose configuration is the same altogether. None if there is no such.
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
