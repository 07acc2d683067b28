"""Why an entry would be built: the differences between its inputs and those of the nearest entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NEVER = "never built in this store"
DAMAGED = "the entry in the store is damaged"
_INTERNAL = ("name", "format")


def reasons_to_build(wanted: Mapping[str, Any], earlier: Iterable[tuple[float, Mapping[str, Any]]]) -> tuple[str, ...]:
    """The differences from the nearest earlier origin: the one with the fewest differences, then the latest.

    Args:
        wanted: the current inputs, as the store records them (building.chip_callables, building.core).
        earlier: the inputs of the store's entries, each with the time of its last use.
    """
    compared = [(len(found), -used, found) for used, origin in earlier if (found := differences(origin, wanted))]
    return min(compared)[2] if compared else (NEVER,)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """One line for each difference, in reading order."""
    said: list[str] = []
    for key in ("sources", "headers"):
        said += _files(key[:-1], old.get(key, {}), new.get(key, {}))
    for key in new:
        if key in ("sources", "headers", *_INTERNAL) or old.get(key) == new[key]:
            continue
        said += _flags(old.get(key, []), new[key]) if key == "flags" else _value(key, old.get(key), new[key])
    if old.get("format") != new.get("format"):
        said.append("this version of Callring builds the same sources differently")
    return tuple(said)


def _files(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    changed = [f"{kind} {name} changed" for name in new if name in old and old[name] != new[name]]
    added = [f"{kind} {name} is new" for name in new if name not in old]
    return changed + added + [f"{kind} {name} is gone" for name in old if name not in new]


def _flags(old: list[str], new: list[str]) -> list[str]:
    said = [f"flag {flag} is new" for flag in new if flag not in old]
    said += [f"flag {flag} is gone" for flag in old if flag not in new]
    return said or ["the flags are in another order"]


def _value(key: str, old: Any, new: Any) -> list[str]:
    if isinstance(new, list):
        return [f"{key} changed"]
    return [f"{key} changed: was {old or 'none'}, is {new or 'none'}"]
