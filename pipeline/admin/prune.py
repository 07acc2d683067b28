"""prune makes the store smaller: it removes files of dead runs, old entries, then the least recently used entries."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.building.store import KINDS, Entry, Store

if TYPE_CHECKING:
    from pipeline.terminal.console import Console

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Pruned:
    """The removed entries, and the size of the rest."""

    removed: tuple[Entry, ...]
    in_use: tuple[Entry, ...]
    """Entries that stay only because a run holds them."""
    left: int
    """Entries."""
    bytes_left: int
    swept: int
    """Number of removed folders and files of dead runs."""


def prune(root: Path, max_age_days: float, max_bytes: float, console: Console | None = None) -> Pruned:
    """Removes entries last used more than ``max_age_days`` ago, then the least recently used above ``max_bytes``.

    Safe beside runs: an entry that a run holds stays, and a run finds any other entry either complete or not at all.
    """
    stores = {kind: Store(root, kind) for kind in KINDS}
    swept = sum(store.sweep() for store in stores.values())
    for store in stores.values():
        store.remove_notes(max_age_days * _DAY)
    entries = sorted((entry for store in stores.values() for entry in store.entries()), key=lambda entry: entry.used)
    total, oldest = sum(entry.size for entry in entries), time.time() - max_age_days * _DAY
    removed, in_use = [], []
    for entry in entries:
        if entry.used >= oldest and total <= max_bytes:
            continue
        if stores[entry.kind].remove(entry.key):
            removed.append(entry)
            total -= entry.size
            if console is not None:
                console.action("pruned", f"{entry.kind[:-1]} {entry.origin.get('name', '')}".rstrip(), hashed=entry.key)
        else:
            in_use.append(entry)
    return Pruned(tuple(removed), tuple(in_use), len(entries) - len(removed), total, swept)
