"""The limits of a machine, with which reports compare callables: those of this machine, measured briefly on demand, and
those of a modelled chip, from its model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.report.record import CallableRecord

_SIZE = 384
"""Rows of the matrices: large enough for the processor's full speed, and multiplied in milliseconds."""
_BYTES = 32 << 20
"""Bytes of the copy, more than caches hold."""
_TRIES = 5


class Roofs(NamedTuple):
    """The limits of the whole machine, or of one chip of a model."""

    flop_per_second: float
    bytes_per_second: float
    words: str
    """How the limits were determined."""


def measured_roofs() -> Roofs:
    """Measures a few products of matrices and a few copies, and takes the best; lasts about a tenth of a second."""
    a = np.ones((_SIZE, _SIZE), np.float32)
    source = np.ones(_BYTES, np.uint8)
    target = np.empty_like(source)
    product = _fastest(lambda: a @ a)
    copy = _fastest(lambda: np.copyto(target, source))
    words = "measured on this machine: NumPy's product of float32 matrices, and a copy (each byte read and written)"
    return Roofs(2 * _SIZE**3 / product, 2 * _BYTES / copy, words)


class ModelledRoofs(NamedTuple):
    """The limits of one chip of a model."""

    flop_per_second: float | None
    """None if the model has no cost of a callable with declared operations."""
    bytes_per_second: float
    name: str
    """The name of the model."""


def modelled_roofs(model: Mapping[str, Any], callables: Sequence[CallableRecord]) -> ModelledRoofs:
    """The limits of one chip of a model.

    A model has no operations per second, only the time of callables on a core. So the roof is the rate of the fastest
    callable on all cores of the chip.

    Args:
        model: ``chip_model`` of the configuration.
        callables: the callables of the run, with their declared operations and bytes.
    """
    rates = []
    for record in callables:
        cost = (model["costs"] or {}).get(record.name) or {}
        nanoseconds = cost.get("core_ns", 0.0) + cost.get("core_ns_per_byte", 0.0) * record.bytes
        if record.flop and nanoseconds:
            rates.append(record.flop * model["cores"] / nanoseconds * 1e9)
    return ModelledRoofs(max(rates, default=None), float(model["bandwidth"]), str(model["name"] or "unnamed"))


def _fastest(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TRIES):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
