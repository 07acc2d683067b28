"""Figures of the machine itself, measured by a small program (bare.cpp) in the same run as ours."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Bare:
    """Built once into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "bare"
        source = Path(__file__).with_name("bare.cpp")
        subprocess.run(["g++", "-O2", "-std=c++20", "-o", self._program, source], check=True)

    def wake_us(self, count: int) -> float:
        """From a futex wake-up of a process that sleeps to its answer, median."""
        return self._run(count)[0]

    def round_trip_us(self, count: int) -> float:
        """Round trip of two processes that spin on shared memory, median."""
        return self._run(count)[1]

    def _run(self, count: int) -> list[float]:
        done = subprocess.run([self._program, str(count)], check=True, capture_output=True, text=True, timeout=300)
        return [float(word) for word in done.stdout.split()]
