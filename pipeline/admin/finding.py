"""The finding of one check of stage=doctor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding of one check."""

    area: str
    name: str
    state: str
    """``"ok"``, ``"warning"`` (works incompletely or slowly) or ``"missing"`` (runs fail)."""
    found: str
    mend: str = ""
    """The command or setting that mends the problem; empty if there is none."""
