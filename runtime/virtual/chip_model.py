"""Models for virtual time: a chip's latency, bandwidth and cores, and the cost of a callable's tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runtime import pickled_names
from runtime.errors import ConfigurationError
from runtime.numbers import integer, real, shown

LONGEST_DELAY_NS = 10**15
"""The longest latency, and the longest hand-over of a task: eleven days."""


def _require(name: str, value: object, allowed: str, *, zero: bool) -> None:
    """Refuses a value that is not a finite number from 0, or that is 0 without ``zero``. Raises ConfigurationError."""
    number = real(value)
    if number is None or not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ConfigurationError(f"{name}={shown(value)}: {allowed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipModel:
    """A chip in virtual time. It executes one task at a time, in the order in which the parent handed them over.

    A task keeps the chip busy for ``bytes / bandwidth``, and then for the time of its blocks on the cores (TaskCost).
    The bytes are those of all tensors that the task reads and of all that it writes; ``INOUT`` counts twice.

    Raises:
        ConfigurationError: a value is out of range; the message names the field.
    """

    latency_ns: int
    """Nanoseconds from the hand-over by the parent until the chip has the task, up to 10**15. Of tasks that follow each
    other on one chip, only the first waits for the latency: a later one travels while an earlier one runs."""
    bandwidth: float
    """Bytes that the chip moves per second; more than 0."""
    cores: int
    """Number of cores over which the blocks of a task spread, 1 to 2**32 - 1. A task without a block count
    (``CallConfig.block_count``) has one block for each core."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        integer("latency_ns", self.latency_ns, 0, LONGEST_DELAY_NS, " nanoseconds")
        _require("bandwidth", self.bandwidth, "bytes per second, more than 0", zero=False)
        integer("cores", self.cores, 1, 2**32 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCost:
    """The cost of one callable's tasks in virtual time, in addition to the bytes that a chip moves.

    The cost is declared, not measured. It is the time of one core for the whole task, which the blocks share equally:
    ``b`` blocks on ``c`` cores take ``ceil(b / c)`` rounds. A sub-worker is one core, for which moving bytes takes no
    time.

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
