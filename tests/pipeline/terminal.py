"""A terminal to run commands on: the program runs on a real one, and the test can read its screen."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import dataclass, field

ROWS = 1000
"""More rows than any run prints: nothing scrolls away."""
_SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


@dataclass
class Screen:
    """The final screen of a terminal. It handles the escape sequences that a run uses, and refuses others."""

    columns: int
    text: str = ""
    """The whole output, with its escape sequences."""
    code: int | None = None
    """The exit code of the command."""
    _rows: list[list[str]] = field(default_factory=lambda: [[]])
    _styles: list[list[str]] = field(default_factory=lambda: [[]])
    _style: str = ""
    _row: int = 0
    _column: int = 0

    @property
    def lines(self):
        """The rows, without the blank ones at the end."""
        rows = ["".join(row).rstrip() for row in self._rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def styled(self):
        """The rows as in ``lines``, with an escape sequence before each change of style."""
        for row, styles, line in zip(self._rows, self._styles, self.lines, strict=False):
            shown, last = "", ""
            for character, style in zip(row[: len(line)], styles, strict=False):
                shown += (f"\x1b[0m{style}" if style != last else "") + character
                last = style
            yield shown + ("\x1b[0m" if last else "")

    @property
    def colours(self):
        """Numbers of the colours that were used."""
        return {int(n) for found in re.findall(r"\x1b\[([\d;]+)m", self.text) for n in found.split(";") if int(n) >= 30}

    def write(self, text):
        """Processes the output of a program."""
        self.text += text
        place = 0
        while place < len(text):
            sequence = _SEQUENCE.match(text, place)
            if sequence:
                self._obey(sequence)
                place = sequence.end()
            else:
                self._put(text[place])
                place += 1

    def _obey(self, sequence):
        private, number, letter = sequence.groups()
        if letter == "A":
            self._row -= int(number or 1)
        elif letter == "K" and number == "2":
            self._rows[self._row], self._styles[self._row] = [], []
        elif letter == "m":
            self._style = "" if number in {"", "0"} else self._style + sequence[0]
        else:  # the cursor is hidden or shown
            assert (bool(private), number) == (True, "25"), f"unknown: {sequence[0]!r}"

    def _put(self, character):
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row += 1
        else:
            if self._column == self.columns:
                self._row, self._column = self._row + 1, 0
            self._reach()
            row, styles = self._rows[self._row], self._styles[self._row]
            row += " " * (self._column + 1 - len(row))
            styles += [""] * (self._column + 1 - len(styles))
            row[self._column], styles[self._column] = character, self._style
            self._column += 1
        self._reach()

    def _reach(self):
        while len(self._rows) <= self._row:
            self._rows.append([])
            self._styles.append([])


def on_terminal(command, columns=80, *, also=None, **options):
    """Runs a command on a terminal. Returns its screen.

    Args:
        command: program and arguments.
        columns: the width of the terminal.
        also: further environment variables.
        options: for subprocess.Popen; each stream that is not redirected is the terminal.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    unwanted = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    given = options.pop("env", os.environ)
    env = {name: value for name, value in given.items() if name not in unwanted}
    env |= {"TERM": "xterm-256color", **(also or {})}
    streams = {name: options.pop(name, theirs) for name in ("stdin", "stdout", "stderr")}
    screen = Screen(columns)
    written = b""
    with subprocess.Popen(command, env=env, start_new_session=True, **streams, **options) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # EIO: every writer has closed it
            while part := os.read(ours, 65536):
                written += part
    os.close(ours)
    screen.write(written.decode())
    screen.code = process.returncode
    return screen
