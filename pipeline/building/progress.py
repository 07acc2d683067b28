"""The progress of a build with Ninja, read from its output, which is kept in a log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipeline.common.places import run_directory_written

if TYPE_CHECKING:
    from pipeline.terminal.console import Console

STATUS = {"NINJA_STATUS": "[%f/%t] "}
"""Ninja's environment: the format of the line of an ended step."""
_STEP = re.compile(r"\[(\d+)/(\d+)\] (.*)")
_OBJECT = re.compile(r"([^/\s]+)\.o$")


class BuildProgress:
    """Shows the steps of a build.

    Args:
        console: shows the progress.
        log: open file; gets every line.
        place: name of the log, for people.
    """

    def __init__(self, console: Console, log: TextIO, place: str) -> None:
        self._console, self._log = console, log
        self.place = place
        self._done = (0, 0)
        self._file = ""

    def __call__(self, line: str) -> None:
        """Processes a line of the build. Raises ConfigurationError if the log cannot be written."""
        with run_directory_written(Path(self._log.name).parent):
            self._log.write(line)
            self._log.flush()
        step = _STEP.match(line)
        if step is None:
            return
        self._done, self._file = (int(step[1]), int(step[2])), _file(step[3])
        self._console.counted("steps", lambda: self._done, lambda: f"{self._file}, log: {self.place}")


def _file(step: str) -> str:
    """The source that a step compiled; for other steps, the last name in the step's line."""
    compiled = _OBJECT.search(step)
    return compiled[1] if compiled else step.rsplit(maxsplit=1)[-1].rpartition("/")[2]
