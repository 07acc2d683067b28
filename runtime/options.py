"""The options of a Worker and of one call, validated when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runtime.errors import ConfigurationError
from runtime.errors.wording import kind_of
from runtime.numbers import flag, integer, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Resources, bounds and timeouts of one Worker. Times are seconds, up to 1e9 (31 years); none is infinite.

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
    """Most frames in flight per child; a power of two."""
    max_pending_tasks: int = 65536
    """Most tasks that are accepted and not ended; a submit beyond this number waits until tasks end."""
    max_runs: int = 64
    """Most runs under way at once; a submit beyond this number waits until a run ends."""
    max_callables: int = 4096
    """Most distinct callables installed per child."""
    start_timeout: float = 30.0
    """Seconds within which all children must be ready at init(), and later each replacement. An engine that hosts nodes
    is connected before, within limits of its own: 45 s, or two minutes if it starts on this machine."""
    control_timeout: float = 10.0
    """Seconds within which a child must answer a control request; a child that takes longer is replaced."""
    max_restarts: float | None = None
    """How many deaths of one child within ``restart_window`` lead to a replacement; after one more death the child is
    given up. It is also given up after more than this number of processes in a row that executed no task.
    ``math.inf``: a child that dies at work is always replaced; it is given up after more than 10 processes in a row
    that executed no task. None: 10; for the Worker that an Executor starts, ``math.inf``.
    """
    restart_window: float = 60.0
    """Seconds after which a death no longer counts for ``max_restarts``."""
    submit_timeout: float = 60.0
    """Seconds that a submit waits at ``max_pending_tasks`` or ``max_runs`` while no task ends."""
    close_timeout: float = 5.0
    """Seconds for which close() lets accepted tasks continue; then it withdraws them and ends the children."""
    trace: bool = False
    """Whether to record when each task and each core worked; Worker.trace() returns the record."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        if self.cores_per_chip is not None:
            integer("cores_per_chip", self.cores_per_chip, 1, 1024)
        integer("arena_bytes", self.arena_bytes, 4096, 1 << 47)
        least = self.arena_bytes
        integer("memory_limit_bytes", self.memory_limit_bytes, least, 1 << 62, f" (at least arena_bytes, {least})")
        capacity = integer("lane_capacity", self.lane_capacity, 1, 32768, ", a power of two")
        if capacity & (capacity - 1):
            raise ConfigurationError(f"lane_capacity={capacity}: a power of two up to 32768")
        integer("max_pending_tasks", self.max_pending_tasks, 1, 1 << 32)
        integer("max_runs", self.max_runs, 1, 1 << 32)
        integer("max_callables", self.max_callables, 1, 1 << 24)
        if self.max_restarts is not None and self.max_restarts != math.inf:
            integer("max_restarts", self.max_restarts, 0, (1 << 32) - 1, ", None or math.inf")
        for name in ("start_timeout", "control_timeout", "submit_timeout", "restart_window"):
            seconds(name, getattr(self, name))
        seconds("close_timeout", self.close_timeout, least=0)
        flag("trace", self.trace)


def checked(options: WorkerOptions | None) -> WorkerOptions:
    """``options``, or the defaults for None. Raises TypeError for any other type."""
    if options is None:
        return WorkerOptions()
    if not isinstance(options, WorkerOptions):
        raise TypeError(f"options must be a WorkerOptions, not {kind_of(options)}")
    return options


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConfig:
    """The options of one call of a callable.

    Raises:
        ConfigurationError: a value is out of range.
    """

    block_count: int = 0
    """Number of blocks with which a kernel without an orchestration function is launched; 0: one for each core."""
    retries: int = 0
    """How often the task may begin again when the process that runs it dies. More than 0 declares it idempotent."""
    deadline: float | None = None
    """How many seconds the task may take after its child has begun it; time in a queue does not count. A task that
    takes longer fails with TaskTimeout and is not retried. Its child is replaced; the tasks that waited for the child
    begin on the replacement or on another child. None: no limit."""
    trace: int | None = None
    """What is recorded of the task. 0: nothing; 1: when it began and ended; 2: also what each core of a chip did. None:
    2 if the Worker records (``WorkerOptions.trace``), else 0."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        integer("block_count", self.block_count, 0, (1 << 32) - 1)
        integer("retries", self.retries, 0, (1 << 32) - 1)
        if self.deadline is not None:
            seconds("deadline", self.deadline)
        if self.trace is not None:
            integer("trace", self.trace, 0, 2)
