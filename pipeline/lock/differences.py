"""The differences between a build and its lock: the callables, their changes, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.common.counts import count_of
from pipeline.lock.document import Callables, Fact, LockedCallable
from runtime.identity import CallableKind

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CONSEQUENCES = ("blob",)
"""Facts that change whenever the bytes change, and so explain nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One callable that differs from its lock."""

    name: str
    locked: str | None
    """Its hashid in the lock; None if the lock does not have it."""
    built: str | None
    """Its hashid now; None if the workload no longer declares it."""
    changes: tuple[str, ...] = ()
    """Its changes, one line each."""

    @property
    def lines(self) -> list[str]:
        """The lines that describe the difference."""
        if self.locked is None:
            return [f"{self.name}: not in the lock, built {self.built}"]
        if self.built is None:
            return [f"{self.name}: locked {self.locked}, but the workload no longer declares it"]
        return [f"{self.name}: locked {self.locked}, built {self.built}", *(f"  {change}" for change in self.changes)]


def differences_of(locked: Callables, built: Callables) -> tuple[Difference, ...]:
    """The callables that differ, by name."""
    found = []
    for name in sorted({*locked, *built}):
        before, now = locked.get(name), built.get(name)
        if before is None or now is None:
            found.append(Difference(name, before.hashid if before else None, now.hashid if now else None))
        elif _differ(before, now):
            found.append(Difference(name, before.hashid, now.hashid, tuple(_changes(before, now))))
    return tuple(found)


def explain_differences(lock: str, workload: str, target: str, differences: Sequence[Difference]) -> str:
    """The message of a LockMismatch, of several lines.

    Args:
        lock: name of the lock file.
        workload, target: the compared workload and target.
        differences: at least one.
    """
    count = count_of(len(differences), "callable")
    differ = "differs" if len(differences) == 1 else "differ"
    lines = [f"{lock}: {count} of workload={workload} for {target} {differ} from the lock"]
    lines += [f"  {line}" for difference in differences for line in difference.lines]
    return "\n".join([*lines, "if that is what you want, accept it with lock=write and commit the file"])


def _differ(locked: LockedCallable, built: LockedCallable) -> bool:
    """Whether the hashids or, for kind 2, whose pickle may hold only a function's name, the sources differ."""
    if locked.hashid != built.hashid:
        return True
    return built.kind is CallableKind.PYTHON_SERIALIZED and locked.facts.get("sources") != built.facts.get("sources")


def _changes(locked: LockedCallable, built: LockedCallable) -> list[str]:
    before: dict[str, Fact] = {**locked.facts, "kind": str(locked.kind)}
    now: dict[str, Fact] = {**built.facts, "kind": str(built.kind)}
    changes = []
    for key in sorted({*before, *now}.difference(_CONSEQUENCES)):
        old, new = before.get(key, ""), now.get(key, "")
        if isinstance(old, str) and isinstance(new, str):
            changes += [f"{key}: {_change(old, new)}"] if old != new else []
        else:
            changes += _changed_items(key, old, new)
    if not changes:
        changes.append(
            "no source, flag, signature or compiler that the lock records changed: the store's entry was altered, or "
            "the compiler gives other bytes each time; stage=prune store.max_bytes=0 empties the store"
        )
    if CallableKind.PYTHON_SERIALIZED in (locked.kind, built.kind):
        changes.append("a pickle (pickle_by_value) may differ between versions of Python and cloudpickle")
    return changes


def _changed_items(key: str, locked: Fact, built: Fact) -> list[str]:
    before = locked if isinstance(locked, Mapping) else {}
    now = built if isinstance(built, Mapping) else {}
    names = sorted({*before, *now})
    return [f"{key}: {n}: {_change(before.get(n, ''), now.get(n, ''))}" for n in names if before.get(n) != now.get(n)]


def _change(locked: str, built: str) -> str:
    return f"{_short(locked)} locked, {_short(built)} now"


def _short(value: str) -> str:
    return f"sha256 {value[:12]}" if _DIGEST.fullmatch(value) else value or "nothing"
