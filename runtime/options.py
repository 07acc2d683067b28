"""What a user can set about a Worker and about one call; validated where it is given."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runtime.errors import ConfigurationError


def _require(condition: bool, name: str, value: object, allowed: str) -> None:
    if not condition:
        raise ConfigurationError(f"{name}={value!r}: {allowed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Resources, bounds and timeouts of one Worker. Times are seconds.

    Raises:
        ConfigurationError: a value is out of range; the message names the option.
    """

    cores_per_chip: int | None = None
    """Cores of each simulated chip; None: the architecture's default, capped by the machine."""
    arena_bytes: int = 256 << 20
    """Size of a shared-memory arena; pages are committed when they are first touched."""
    memory_limit_bytes: int = 1 << 40
    """Most shared memory that tensors of this Worker may take."""
    lane_capacity: int = 1024
    """Frames in flight per child, a power of two."""
    max_pending_tasks: int = 65536
    """Tasks accepted and not ended; a submit beyond it waits for progress."""
    max_runs: int = 64
    """Runs under way at once; a submit beyond it waits for one to end."""
    max_callables: int = 4096
    """Distinct callables installed per child."""
    start_timeout: float = 30.0
    """For all children together at init(); later for each replacement."""
    control_timeout: float = 10.0
    """How long a child may take to answer a control request; after twice that it is replaced."""
    max_restarts: float | None = None
    """Deaths of one child within ``restart_window`` that are mended by a replacement; with one more it is given up, and
    so it is after as many processes in a row that could not begin to work. ``math.inf``: deaths at work are always
    mended, and after 10 such processes it is given up. None: 10; for the Worker that an Executor starts, ``math.inf``.
    """
    restart_window: float = 60.0
    submit_timeout: float = 60.0
    """How long a submit waits at the bound of pending tasks or of runs without any task ending."""
    close_timeout: float = 5.0
    trace: bool = False
    """Record when each task and each core worked; read with Worker.trace()."""

    def __post_init__(self) -> None:
        cores = self.cores_per_chip
        _require(cores is None or 1 <= cores <= 1024, "cores_per_chip", cores, "None or 1 to 1024")
        _require(self.arena_bytes >= 4096, "arena_bytes", self.arena_bytes, "at least 4096")
        _require(
            self.memory_limit_bytes >= self.arena_bytes,
            "memory_limit_bytes",
            self.memory_limit_bytes,
            f"at least arena_bytes ({self.arena_bytes})",
        )
        capacity = self.lane_capacity
        power_of_two = capacity > 0 and capacity & (capacity - 1) == 0
        _require(power_of_two and capacity <= 32768, "lane_capacity", capacity, "a power of two up to 32768")
        _require(self.max_pending_tasks >= 1, "max_pending_tasks", self.max_pending_tasks, "at least 1")
        _require(self.max_runs >= 1, "max_runs", self.max_runs, "at least 1")
        _require(1 <= self.max_callables <= 1 << 24, "max_callables", self.max_callables, "1 to 16777216")
        restarts = self.max_restarts
        _require(
            restarts in (None, math.inf) or (isinstance(restarts, int) and 0 <= restarts < 1 << 32),
            "max_restarts",
            restarts,
            "None, math.inf or 0 to 4294967295",
        )
        for name in ("start_timeout", "control_timeout", "submit_timeout", "restart_window"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "more than 0 seconds")
        _require(self.close_timeout >= 0, "close_timeout", self.close_timeout, "0 seconds or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConfig:
    """What one call of a callable may choose.

    Raises:
        ConfigurationError: a value is out of range.
    """

    block_count: int = 0
    """Blocks of the launch that a callable without orchestration makes; 0: one per core."""
    retries: int = 0
    """How often the task may be begun again when the process that runs it dies: declares the callable idempotent."""
    deadline: float | None = None
    """How many seconds the task may take, from when its child begins it (what waits in a queue has not begun). One that
    takes longer fails with TaskTimeout, whatever its retries; its child is replaced, and what waited there begins on
    the replacement or elsewhere. None: as long as it likes."""
    trace: int | None = None
    """What is recorded of it: 0 nothing, 1 when it began and ended, 2 also what each core of a chip did. None: 2 if the
    Worker records (``WorkerOptions.trace``), else 0."""

    def __post_init__(self) -> None:
        _require(0 <= self.block_count < 1 << 32, "block_count", self.block_count, "0 to 4294967295")
        _require(0 <= self.retries < 1 << 32, "retries", self.retries, "0 to 4294967295")
        deadline = self.deadline
        _require(deadline is None or 1e-6 <= deadline <= 1e9, "deadline", deadline, "None or 1e-6 to 1e9 seconds")
        _require(self.trace in (None, 0, 1, 2), "trace", self.trace, "None, 0, 1 or 2")
