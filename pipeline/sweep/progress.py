"""The progress of a sweep: one line for each ended point, and the estimate of the rest."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from pipeline.common.counts import duration, whole_seconds
from pipeline.config.schema import FOR_PEOPLE
from pipeline.sweep.points import Point, values_of
from pipeline.terminal.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class SweepProgress:
    """The ended and remaining points of one sweep.

    Args:
        keys: the swept keys.
        total: number of points.
    """

    def __init__(self, keys: Sequence[str], total: int) -> None:
        self.keys = keys
        self.total = total
        self.ended = 0
        self._begin = time.monotonic()

    def words(self) -> str:
        """The estimated remaining time, from the points so far."""
        left = self.total - self.ended
        if not self.ended or not left:
            return ""
        return f"about {whole_seconds((time.monotonic() - self._begin) / self.ended * left)} left"


class _Shown(NamedTuple):
    progress: SweepProgress
    console: Console


_shown: list[_Shown] = []
"""The sweep whose points run in this process, if there is one."""


@contextlib.contextmanager
def shown(progress: SweepProgress, output: str) -> Iterator[None]:
    """While the block runs, points that end in this process are counted, and a terminal shows the progress."""
    console = Console(sys.stdout if output in FOR_PEOPLE else None)
    _shown.append(_Shown(progress, console))
    try:
        with console.at_work("sweep"):
            console.counted("points", lambda: (progress.ended, progress.total), progress.words)
            yield
    finally:
        _shown.pop()


def count_ended() -> None:
    """Counts an ended point, if it ran in the process of its sweep."""
    if _shown:
        _shown[-1].progress.ended += 1


def say_ended(point: Point) -> None:
    """Prints in one line how a point ended, in any process of its sweep."""
    point.read_result()
    count_ended()
    counter, values, console = "", " ".join(point.overrides), Console(sys.stdout)
    if _shown:
        progress, console = _shown[-1]
        counter = f"{f'{progress.ended}/{progress.total}':<8}"
        values = values_of(point, progress.keys)
    took = f"median {duration(point.run_seconds[1]):>7}" if point.run_seconds else ""
    status = point.status
    console.line(f"{f'job {point.number}':<12}{counter}{status:<12}{took:<16}{values}".rstrip(), status)
