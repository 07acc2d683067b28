"""Figures of the machine itself, measured by a small program (bare.cpp) in the same run as Callring."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.benchmark.compiled import compiled


class Bare:
    """The program, built once into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._program = compiled(Path(__file__).with_name("bare.cpp"), folder / "bare")

    def wake_us(self, count: int) -> float:
        """Median time from the futex wake-up of a sleeping process to its answer."""
        return self._run(count)[0]

    def round_trip_us(self, count: int) -> float:
        """Median round trip of two processes that spin on shared memory."""
        return self._run(count)[1]

    def _run(self, count: int) -> list[float]:
        done = subprocess.run([self._program, str(count)], check=True, capture_output=True, text=True, timeout=300)
        return [float(word) for word in done.stdout.split()]
