"""What this machine can do at most, for reports that compare callables with it: measured briefly, where it is asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = 384
"""Rows of the matrices: large enough for a processor to be at its best, done in milliseconds."""
_BYTES = 32 << 20
"""More than caches hold."""
_TRIES = 5


class Roofs(NamedTuple):
    """Of the whole machine."""

    flop_per_second: float
    bytes_per_second: float
    words: str
    """How they were found."""


def measured_roofs() -> Roofs:
    """The best of a few products of matrices, and of a few copies; takes about a tenth of a second."""
    a = np.ones((_SIZE, _SIZE), np.float32)
    source = np.ones(_BYTES, np.uint8)
    target = np.empty_like(source)
    product = _fastest(lambda: a @ a)
    copy = _fastest(lambda: np.copyto(target, source))
    words = "measured on this machine: NumPy's product of float32 matrices, and a copy (each byte read and written)"
    return Roofs(2 * _SIZE**3 / product, 2 * _BYTES / copy, words)


def _fastest(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TRIES):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
