"""What a person sees while a run goes on: one line an action; on a terminal the stage that is at work, too."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, TextIO

from pipeline.files import write_atomically
from pipeline.interrupts import check
from pipeline.report.record import Action, StageRecord
from pipeline.report.summary import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SHORT_HASH = 8
_WHOLE_HASH = 64


class Console:
    """Prints actions, and keeps them for result.json.

    Args:
        out: where lines go; None prints nothing (``output=json``, ``output=quiet``).
        verbose: whether hashes are printed whole.
    """

    def __init__(self, out: TextIO | None, *, verbose: bool = False) -> None:
        self._out = out
        self._hash_digits = _WHOLE_HASH if verbose else _SHORT_HASH
        self._stages: list[StageRecord] = []
        self._actions: list[Action] = []
        self._lines: list[str] = []

    @property
    def stages(self) -> tuple[StageRecord, ...]:
        """The stages so far, the one that failed included."""
        return tuple(self._stages)

    @property
    def actions(self) -> tuple[Action, ...]:
        """Those of the stage that is at work."""
        return tuple(self._actions)

    @contextlib.contextmanager
    def stage(self, name: str, *, interrupted: bool = False) -> Iterator[Callable[[], float]]:
        """Times one stage and collects its actions, also when it fails. Gives what tells its seconds so far.

        Raises KeyboardInterrupt if one came before, unless ``interrupted`` allows that.
        """
        if not interrupted:
            check()
        self._actions = []
        begin = time.perf_counter()
        try:
            with self._at_work(name):
                yield lambda: time.perf_counter() - begin
        finally:
            self._stages.append(StageRecord(name, time.perf_counter() - begin, tuple(self._actions)))

    @contextlib.contextmanager
    def _at_work(self, name: str) -> Iterator[None]:
        if self._out is None or not self._out.isatty():
            yield
            return
        from rich.console import Console as RichConsole

        with RichConsole(file=self._out).status(f"{name} ..."):
            yield

    def action(self, word: str, name: str, *, hashed: str = "", seconds: float | None = None) -> None:
        """Says what was done: a fixed-width word, a name, a short hash, the time."""
        self._actions.append(Action(word, name, hashed, seconds))
        short = hashed.removeprefix("sha256:")[: self._hash_digits]
        time_taken = "" if seconds is None else duration(seconds)
        self.line(f"{word:<12}{name:<22} {short:<{self._hash_digits}}  {time_taken}".rstrip())

    def working(self, what: str) -> None:
        """Says that something long has begun."""
        if self._out is not None and not self._out.isatty():
            print(f"{'working':<12}{what}", file=self._out, flush=True)

    def line(self, text: str) -> None:
        """Prints one line."""
        self._lines.append(text)
        if self._out is not None:
            print(text, file=self._out, flush=True)

    def error(self, text: str) -> None:
        """Prints an error, on standard error in either form of output."""
        self._lines.append(text)
        print(text, file=sys.stderr, flush=True)

    def write_log(self, path: Path) -> None:
        """Writes every line so far."""
        write_atomically(path, "".join(f"{line}\n" for line in self._lines).encode())
