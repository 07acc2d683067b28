"""How the command is to end: the exit codes of what ran in this process. The highest is the command's."""

from __future__ import annotations

codes: list[int] = []
"""Of each job that ran here, and of a sweep whose jobs ran elsewhere."""
