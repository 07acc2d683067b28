"""The display of a terminal: lines with coloured words, and below them one temporary line about the work at hand.

All output of this process to the terminal goes through the object that owns that line: otherwise, output would continue
the line instead of replacing it. Output to a pipe does not use this module.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.common.counts import whole_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import ConsoleOptions

    from pipeline.terminal.progress import Progress

_GOOD, _BAD, _CAUTION, _QUIET = "green", "red", "yellow", "bright_black"
_STYLES = {
    **dict.fromkeys(("ok", "verified", "locked"), _GOOD),
    **dict.fromkeys(("differs", "failed", "worker_lost", "build_failed", "error", "lost", "missing", "slower"), _BAD),
    **dict.fromkeys(("damaged", "unverified", "interrupted", "ending", "would fail", "old", "new"), _CAUTION),
    **dict.fromkeys(("cached", "loaded", "warm", "unchanged"), _QUIET),
}
"""Colours by a word's meaning; other words have none. Colours only: NO_COLOR removes all of them."""
_REFRESHED = 8
"""Updates a second. Each takes a fraction of a millisecond from the run."""
_FRAMES, _ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "-\\|/"
_BAR = 24
"""The greatest width of a bar, in columns."""
_SHOWN_AFTER = 0.5
"""Seconds that an action must last before its elapsed time is shown."""


class _Line:
    """The work at hand as one line, cut where the terminal ends."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> Iterator[Text]:
        progress, elapsed = self._progress, self._progress.elapsed
        frames = _ASCII_FRAMES if options.ascii_only else _FRAMES
        spinner = frames[int(elapsed * _REFRESHED) % len(frames)]
        parts: list[str | tuple[str, str]] = [(spinner, _GOOD), f" {progress.name}"]
        done, total = progress.counted()
        if total:
            full, empty = "#." if options.ascii_only else "━─"
            width = min(_BAR, options.max_width // 4)
            length = width * min(done, total) // total
            parts += [" ", (full * length, _GOOD), (empty * (width - length), _QUIET), f" {done:,}/{total:,}"]
        if elapsed >= _SHOWN_AFTER:
            parts.append((f" {whole_seconds(elapsed)}", _QUIET))
        words = progress.told()
        line = Text.assemble(*parts, f" {words}" if words else " ...", no_wrap=True, end="")
        line.truncate(options.max_width - 1, overflow="crop" if options.ascii_only else "ellipsis")
        yield line


class Terminal:
    """The terminal of one stream.

    Args:
        out: a stream to a terminal.
    """

    def __init__(self, out: TextIO) -> None:
        self._console = RichConsole(file=out, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._shown: Progress | None = None

    @contextlib.contextmanager
    def at_work(self, progress: Progress) -> Iterator[None]:
        """Shows the work at hand while the block runs; work that is already shown stays on the screen."""
        if self._shown is not None:
            yield
            return
        self._show(progress)
        try:
            yield
        finally:
            self._hide()

    @contextlib.contextmanager
    def left_alone(self) -> Iterator[None]:
        """While the block runs, the terminal belongs to another process, or to standard error."""
        shown = self._hide()
        try:
            yield
        finally:
            if shown is not None:
                self._show(shown)

    def line(self, text: str, word: str = "") -> None:
        """Prints a line; its first word, or ``word``, in the colour of its meaning. Long lines are not cut."""
        word = word or text[:12].rstrip()
        shown = Text(text)
        style = _STYLES.get(word)
        if style is not None:
            begin = text.index(word)
            shown.stylize(style, begin, begin + len(word))
        self._console.print(shown, soft_wrap=True)

    def table(self, rows: Sequence[Sequence[str]], left: int, bad: Sequence[bool]) -> None:
        """Prints a table; see pipeline.terminal.console.Console.table."""
        # Without vertical lines, so that more columns fit; if they do not, names are folded, but numbers are not.
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for position, column in enumerate(rows[0]):
            if position < left:
                table.add_column(Text(column, overflow="fold"), overflow="fold")
            else:
                table.add_column(Text(column, overflow="fold"), justify="right", no_wrap=True)
        for row, wrong in zip(rows[1:], bad, strict=True):
            table.add_row(*(Text(cell) for cell in row), style=_BAD if wrong else None)
        self._console.print(table)

    def error(self, text: str) -> None:
        """Prints an error on standard error, which may be another terminal, a file or this same terminal."""
        with self.left_alone():
            stream = sys.stderr
            if stream.isatty():
                said = Text(text)
                said.stylize(_BAD, 0, len(text.partition(":")[0]))
                RichConsole(file=stream, highlight=False).print(said, soft_wrap=True)
            else:
                print(text, file=stream, flush=True)

    def _show(self, progress: Progress) -> None:
        self._shown = progress
        self._live = Live(
            _Line(progress),
            console=self._console,
            transient=True,
            refresh_per_second=_REFRESHED,
            # Other output of this process appears above the line; standard error only if it is a terminal, too.
            redirect_stderr=sys.stderr.isatty(),
        )
        self._live.start(refresh=True)

    def _hide(self) -> Progress | None:
        if self._live is not None:
            self._live.stop()
        shown, self._shown, self._live = self._shown, None, None
        return shown


@functools.cache
def _of(out: TextIO) -> Terminal:
    return Terminal(out)


def terminal_of(out: TextIO) -> Terminal:
    """The one object for a terminal, also while ``sys.stdout`` is redirected to it."""
    return _of(getattr(out, "rich_proxied_file", out))
