"""The record of one run for its report: plain data, filled by the stages as far as they ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.terminal.actions import StageRecord
from pipeline.workloads.base import Verification
from runtime import identity
from runtime.hosting.cluster import Cluster
from runtime.hosting.transfer import TARGET
from runtime.observe.trace import Trace

if TYPE_CHECKING:
    from pipeline.report.virtual import VirtualRecord
    from runtime.observe.host_info import HostInfo

TRANSFER = "(transfer)"
"""The name of the tasks that bring what a host wrote to this machine. No key of a configuration begins so."""


class SourceRecord(NamedTuple):
    """One source file, or the part of it that defines the callable."""

    file: str
    """Its name in the configs."""
    first_line: int
    text: str
    left_out: int = 0
    """Number of lines after ``text`` that were cut off."""


class CallableRecord(NamedTuple):
    """One callable of a workload."""

    name: str
    kind: str
    """A name of CallableKind, for instance ``"CHIP_CALLABLE"``."""
    hashid: str
    target_namespace: str
    """``"LOCAL_CHIP"`` or ``"LOCAL_PYTHON"``."""
    kernels: Sequence[str] = ()
    """Names of a chip callable's kernels, by func_id."""
    flop: float = 0.0
    """Declared floating-point operations of one task; 0 if they were not declared."""
    bytes: float = 0.0
    """Declared bytes that one task moves; 0 if they were not declared."""
    flags: Sequence[str] = ()
    """The flags of the compiler, in addition to its usual ones."""
    sources: Sequence[SourceRecord] = ()
    """The sources of the callable, if one of its tasks failed."""


class LockRecord(NamedTuple):
    """The use of the lock file by a run."""

    file: str
    """Its path, relative to the folder in which the command was started."""
    sha256: str
    """SHA-256 of the file's bytes when it was compared, or after it was written."""
    outcome: str
    """``"written"``, ``"unchanged"``, ``"matches"`` or ``"differs"``."""
    differing: Sequence[str] = ()
    """Names of the callables that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, up to its end or failure."""

    workload: str
    topology: str
    target: str
    build: str
    exit_code: int
    """The exit code of the process; decides the status."""
    configuration: Mapping[str, Any]
    """The composed configuration, as plain values."""
    overrides: Sequence[str] = ()
    """The overrides of the command line."""
    provenance: Mapping[str, Any]
    callables: Sequence[CallableRecord] = ()
    lock: LockRecord | None = None
    """None with ``lock=off``, or if the run ended before its comparison."""
    stages: Sequence[StageRecord] = ()
    trace: Trace = field(default_factory=Trace)
    warm_up: int = 0
    warm_up_seconds: Sequence[float] = ()
    """Durations of the warm-up runs."""
    run_seconds: Sequence[float] = ()
    """Durations of the measured runs, which follow the ``warm_up`` ones."""
    verification: Verification | None = None
    """None if the run ended before its verification."""
    virtual: VirtualRecord | None = None
    """The virtual time on modelled chips; None without a chip model, or if the run ended before it was computed."""
    engine: Cluster = field(default_factory=Cluster)
    """The engine that hosts the nodes."""
    hosts: Sequence[HostInfo] = ()
    """The hosts of its nodes at the end of the run."""
    worker_output: str = ""
    """The end of the workers' standard error."""
    command: Sequence[str] = ()
    """The command that repeats the run, from the same folder; empty if unknown."""
    error: str | None = None
    """The error message that the user saw; None without an error."""

    @property
    def machines(self) -> dict[int, str]:
        """The machine of each hosted node, by the node's id."""
        return {host.node: host.machine for host in self.hosts}

    @property
    def names(self) -> dict[str, str]:
        """Names of the callables by hashid."""
        return names_of(self.callables, self.engine)


def names_of(callables: Iterable[CallableRecord], engine: Cluster) -> dict[str, str]:
    """Names by hashid. Callables with equal bytes share a hashid; their names are joined.

    Args:
        callables: those of the workload.
        engine: hosts the nodes; on other machines, there are transfers among their tasks.
    """
    names: dict[str, str] = {}
    if engine.is_remote:
        names[identity.compute_callable_hashid(identity.build_python_source_descriptor(TARGET))] = TRANSFER
    for record in callables:
        names[record.hashid] = f"{names[record.hashid]}/{record.name}" if record.hashid in names else record.name
    return names
