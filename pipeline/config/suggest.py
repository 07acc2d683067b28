"""Suggests the name that was probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def near(name: str, known: Iterable[str]) -> str:
    """``"; did you mean ...?"``, or nothing if no known name is near."""
    import difflib

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def near_or_all(name: object, known: Collection[str]) -> str:
    """The suggestion of near(), or all known names if none is near."""
    return near(str(name), known) or f"; known are {', '.join(known)}"
