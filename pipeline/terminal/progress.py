"""What is at work, for a terminal and for a live page: both ask at any time, from another thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress:
    """What is at work, how far it is and since when.

    Args:
        name: of the stage.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.words: str | Callable[[], str] = ""
        """What to say of it; a function is asked each time."""
        self.things = ""
        """What is counted, in the plural."""
        self.done: Callable[[], tuple[int, int]] | None = None
        """How many of how many; None: nothing is counted."""
        self._begin = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds."""
        return time.monotonic() - self._begin

    def told(self) -> str:
        """Its words now."""
        return self.words if isinstance(self.words, str) else self.words()

    def counted(self) -> tuple[int, int]:
        """How many of how many now; (0, 0) if nothing is counted."""
        return self.done() if self.done else (0, 0)
