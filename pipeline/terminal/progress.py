"""The work at hand, for a terminal and for a live page: both read it at any time, from other threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress:
    """The work at hand: its words, its progress and its begin.

    Args:
        name: the stage's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.words: str | Callable[[], str] = ""
        """Text about it; a function is called each time."""
        self.things = ""
        """The counted things, in the plural."""
        self.done: Callable[[], tuple[int, int]] | None = None
        """Returns the done and the total number; None: nothing is counted."""
        self._begin = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds."""
        return time.monotonic() - self._begin

    def told(self) -> str:
        """Its text now."""
        return self.words if isinstance(self.words, str) else self.words()

    def counted(self) -> tuple[int, int]:
        """The done and the total number now; (0, 0) if nothing is counted."""
        return self.done() if self.done else (0, 0)
