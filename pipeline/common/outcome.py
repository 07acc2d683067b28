"""What the command of this process was asked for, and how it is to end."""

from __future__ import annotations

codes: list[int] = []
"""Exit codes: of each job that ran here, and of a sweep whose jobs ran elsewhere. The highest is the command's."""

arguments: list[str] = []
"""What followed the program's name, as it was given."""
