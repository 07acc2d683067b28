"""What chips are taken for when only their time is computed: latency, bandwidth and cores, and what tasks cost them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runtime import pickled_names
from runtime.errors import ConfigurationError
from runtime.numbers import integer, real, shown

LONGEST_DELAY_NS = 10**15
"""The longest latency and hand-over: eleven days."""


def _require(name: str, value: object, allowed: str, *, zero: bool) -> None:
    """Refuses what is not a finite number from 0. Raises ConfigurationError."""
    number = real(value)
    if number is None or not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ConfigurationError(f"{name}={shown(value)}: {allowed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipModel:
    """A chip in virtual time. It executes one task at a time, in the order in which they were handed over.

    A task keeps it busy for ``bytes / bandwidth``, and then for what its cores take for the task's blocks (TaskCost).
    The bytes are those of every tensor that the task reads, and of every one that it writes; ``INOUT`` counts twice.

    Raises:
        ConfigurationError: a value is out of range; the message names the field.
    """

    latency_ns: int
    """Nanoseconds from when the parent hands a task over until the chip has it, up to 10**15. Tasks that follow each
    other on one chip wait for it once: the later is on its way while the earlier runs."""
    bandwidth: float
    """Bytes that the chip moves in a second; more than 0."""
    cores: int
    """Over which the blocks of a task spread, 1 to 2**32 - 1. A task without a block count
    (``CallConfig.block_count``) has a block for each."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        integer("latency_ns", self.latency_ns, 0, LONGEST_DELAY_NS, " nanoseconds")
        _require("bandwidth", self.bandwidth, "bytes per second, more than 0", zero=False)
        integer("cores", self.cores, 1, 2**32 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCost:
    """What the tasks of one callable cost in virtual time, beside the bytes that a chip moves.

    It is declared, never measured. The time is that of one core for the whole task: blocks of equal cost share it, and
    ``b`` blocks on ``c`` cores take ``ceil(b / c)`` rounds. A sub-worker is one core that finds its bytes in place.

    Raises:
        ConfigurationError: a value is negative or no number; the message names the field.
    """

    core_ns: float = 0.0
    """Nanoseconds for each task."""
    core_ns_per_byte: float = 0.0
    """Nanoseconds for each byte that the task moves, in addition."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        for name in ("core_ns", "core_ns_per_byte"):
            _require(name, getattr(self, name), "nanoseconds, 0 or more", zero=True)


pickled_names.keep(__name__)
