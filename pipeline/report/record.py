"""What is known about one run when it is reported: plain data, filled by the stages as far as they got."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.terminal.actions import StageRecord
from pipeline.workloads.base import Verification
from runtime.observe.trace import Trace

if TYPE_CHECKING:
    from pipeline.report.virtual import VirtualRecord


class SourceRecord(NamedTuple):
    """One file, or the part of it that is the callable."""

    file: str
    """As the configs name it."""
    first_line: int
    text: str
    left_out: int = 0
    """Lines behind ``text`` that are not in it."""


class CallableRecord(NamedTuple):
    """One callable of a workload."""

    name: str
    kind: str
    """``"CHIP_CALLABLE"`` or another name of CallableKind."""
    hashid: str
    target_namespace: str
    """``"LOCAL_CHIP"`` or ``"LOCAL_PYTHON"``."""
    kernels: Sequence[str] = ()
    """Names of a chip callable's kernels, by func_id."""
    flop: float = 0.0
    """Floating-point operations of one task, as declared; 0 if that was left out."""
    bytes: float = 0.0
    """Bytes that one task moves, likewise."""
    flags: Sequence[str] = ()
    """Of the compiler, beside its usual ones."""
    sources: Sequence[SourceRecord] = ()
    """Where a task failed: what the callable is made of."""


class LockRecord(NamedTuple):
    """What a run did with its lock file."""

    file: str
    """Relative to where the command was started."""
    sha256: str
    """Of the file's bytes when it was compared, or after it was written."""
    outcome: str
    """``"written"``, ``"unchanged"``, ``"matches"`` or ``"differs"``."""
    differing: Sequence[str] = ()
    """Names of the callables that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, to its end or to where it failed."""

    workload: str
    topology: str
    target: str
    build: str
    exit_code: int
    """As the process will exit; decides the status."""
    configuration: Mapping[str, Any]
    """The composed configuration, as plain values."""
    overrides: Sequence[str] = ()
    """What the command line overrode in it."""
    provenance: Mapping[str, Any]
    callables: Sequence[CallableRecord] = ()
    lock: LockRecord | None = None
    """None with ``lock=off``, or if the run did not get there."""
    stages: Sequence[StageRecord] = ()
    trace: Trace = field(default_factory=Trace)
    warm_up: int = 0
    warm_up_seconds: Sequence[float] = ()
    """Durations of the runs that warm up."""
    run_seconds: Sequence[float] = ()
    """Durations of the measured runs, which follow the ``warm_up`` ones."""
    verification: Verification | None = None
    """None if the run did not get there."""
    virtual: VirtualRecord | None = None
    """What was computed on modelled chips; None without a chip model, or if the run did not get there."""
    worker_output: str = ""
    """The end of what the workers wrote to standard error."""
    command: Sequence[str] = ()
    """What runs it again, from the same folder; empty if that is not known."""
    error: str | None = None
    """What went wrong, in the words that the user saw; None if nothing did."""

    @property
    def names(self) -> dict[str, str]:
        """Names of the callables by hashid."""
        return names_of(self.callables)


def names_of(callables: Iterable[CallableRecord]) -> dict[str, str]:
    """Names by hashid; callables of equal bytes share a hashid, and their names are joined."""
    names: dict[str, str] = {}
    for record in callables:
        names[record.hashid] = f"{names[record.hashid]}/{record.name}" if record.hashid in names else record.name
    return names
