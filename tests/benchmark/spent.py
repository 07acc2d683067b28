"""What a piece of work spends: seconds by the clock, and seconds of processor time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.benchmark.cpu import cpu_seconds


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and seconds of processor time of all processes that took part."""

    wall: float
    cpu: float


CLOCKS = {"cpu": "By processor time", "wall": "By the clock"}
"""The fields of Spent, and what a table calls them."""


def spent(work: Callable[[], object], pids: Iterable[int]) -> Spent:
    """What a call spends in this process and these others."""
    everywhere = [os.getpid(), *pids]
    wall, cpu = time.perf_counter(), cpu_seconds(everywhere)
    work()
    return Spent(time.perf_counter() - wall, cpu_seconds(everywhere) - cpu)
