"""The output of a run for people: one line for each action, and on a terminal the stage that is at work."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, TextIO

from pipeline.common.counts import duration
from pipeline.common.files import write_atomically
from pipeline.terminal.actions import Action, StageRecord
from pipeline.terminal.columns import aligned
from pipeline.terminal.interrupts import check
from pipeline.terminal.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.terminal.screen import Terminal

_NAME = 22
_SHORT_HASH = 8
_WHOLE_HASH = 64
_SILENCE = 30.0
"""Seconds without output after which a pipe gets a line with the progress."""


class Console:
    """Prints actions, and keeps them for result.json.

    Args:
        out: the stream for lines; None prints nothing (``output=json``, ``output=quiet``).
        verbose: whether hashes are printed whole.
        quiet: whether lines go to the log only; errors are printed even then.
    """

    def __init__(self, out: TextIO | None, *, verbose: bool = False, quiet: bool = False) -> None:
        self._out = out
        self._quiet = quiet
        self._terminal = _terminal_of(out)
        self._progress: Progress | None = None
        self._hash_digits = _WHOLE_HASH if verbose else _SHORT_HASH
        self._stages: list[StageRecord] = []
        self._actions: list[Action] = []
        self._lines: list[str] = []
        self._said = time.monotonic()
        """When the last line was printed."""

    @property
    def stages(self) -> tuple[StageRecord, ...]:
        """The stages so far, the one that failed included."""
        return tuple(self._stages)

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions of the stage that is at work."""
        return tuple(self._actions)

    @property
    def progress(self) -> Progress | None:
        """The work of the current stage; None between stages."""
        return self._progress

    @contextlib.contextmanager
    def stage(self, name: str, *, interrupted: bool = False) -> Iterator[Callable[[], float]]:
        """Times one stage and collects its actions, also if it fails. Yields a function for its seconds so far.

        Raises KeyboardInterrupt if an interrupt came earlier, unless ``interrupted`` is set.
        """
        if not interrupted:
            check()
        self._actions = []
        begin, begin_ns = time.perf_counter(), time.monotonic_ns()
        try:
            with self.at_work(name):
                yield lambda: time.perf_counter() - begin
        finally:
            self._stages.append(StageRecord(name, time.perf_counter() - begin, tuple(self._actions), begin_ns))

    @contextlib.contextmanager
    def at_work(self, name: str) -> Iterator[None]:
        """While the block runs, keeps the progress of this work; on a terminal, shows it below the lines."""
        self._progress = progress = Progress(name)
        terminal = None if self._quiet else self._terminal
        try:
            with terminal.at_work(progress) if terminal else contextlib.nullcontext():
                yield
        finally:
            self._progress = None

    def left_alone(self) -> contextlib.AbstractContextManager[None]:
        """While the block runs, another process prints to the same stream."""
        return self._terminal.left_alone() if self._terminal is not None else contextlib.nullcontext()

    def action(self, word: str, name: str, *, hashed: str = "", seconds: float | None = None, also: str = "") -> None:
        """Prints an action: a fixed-width word, a name, a short hash, the time and the text ``also``."""
        self.line(self.noted(word, name, hashed=hashed, seconds=seconds, also=also))

    def noted(self, word: str, name: str, *, hashed: str = "", seconds: float | None = None, also: str = "") -> str:
        """Notes an action. Returns its line, for the caller to print later."""
        self._actions.append(Action(word, name, hashed, seconds))
        short = hashed.removeprefix("sha256:")[: self._hash_digits]
        time_taken = "" if seconds is None else duration(seconds)
        hash_column = f" {short:<{self._hash_digits}}" if short or len(name) <= _NAME else ""
        return f"{word:<12}{name:<{_NAME}}{hash_column}  {time_taken}{also}".rstrip()

    def working(self, what: str) -> None:
        """Prints that a long action has begun."""
        if self._progress is not None:
            self._progress.words = what
        if self._terminal is None:
            self._print(f"{'working':<12}{what}")

    def counted(self, things: str, done: Callable[[], tuple[int, int]], words: Callable[[], str] = str) -> None:
        """Shows how far an action is: on a terminal with a bar, in a pipe with a line if none was printed for long.

        Args:
            things: the counted things, in the plural.
            done: returns the done and the total number; may be called at any time, by another thread.
            words: returns further text; may also be called at any time, by another thread.
        """
        if self._progress is not None:
            self._progress.things, self._progress.done, self._progress.words = things, done, words
        if self._out is not None and self._terminal is None and time.monotonic() - self._said > _SILENCE:
            number, total = done()
            also = words()
            if total:
                self._print(f"{'working':<12}{number:,} of {total:,} {things}{', ' if also else ''}{also}")

    def line(self, text: str, word: str = "") -> None:
        """Prints one line; on a terminal its first word, or ``word``, has the colour of its meaning."""
        self._lines.append(text)
        if self._terminal is not None and not self._quiet:
            self._terminal.line(text, word)
        else:
            self._print(text)

    def _print(self, text: str) -> None:
        if self._out is not None and not self._quiet:
            self._said = time.monotonic()
            print(text, file=self._out, flush=True)

    def table(self, rows: Sequence[Sequence[str]], left: int, bad: Sequence[bool] = ()) -> None:
        """Prints a table, in a pipe as aligned lines.

        Args:
            rows: the rows; the first has the columns' titles.
            left: number of left-aligned columns; the others have numbers.
            bad: for each row after the first, whether it is marked as wrong; default: no row.
        """
        lines = aligned(rows, left)
        if self._terminal is not None and not self._quiet:
            self._lines += lines
            self._terminal.table(rows, left, bad or [False] * (len(rows) - 1))
            return
        for line in lines:
            self.line(line)

    def error(self, text: str) -> None:
        """Prints an error on standard error, for every kind of output."""
        self._lines.append(text)
        if self._terminal is not None:
            self._terminal.error(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def write_log(self, path: Path) -> None:
        """Writes every line so far."""
        write_atomically(path, "".join(f"{line}\n" for line in self._lines).encode())


def _terminal_of(out: TextIO | None) -> Terminal | None:
    if out is None or not out.isatty():
        return None
    from pipeline.terminal.screen import terminal_of

    return terminal_of(out)
