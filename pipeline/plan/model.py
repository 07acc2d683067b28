"""A plan as data, for ``output=json``, the table and the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PlannedBuild:
    """The core, or one callable."""

    name: str
    kind: str
    """``"core"``, ``"chip"`` or ``"python"``."""
    state: str
    """``"built"`` (installed with the package), ``"cached"``, ``"would build"`` or ``"hashed"`` (nothing to build)."""
    hashid: str
    """For a callable ``sha256:...``, for the core its key; empty if it is known only after the build."""
    reasons: tuple[str, ...] = ()
    """Why it would be built: the differences from the nearest entry of the store."""


@dataclass(frozen=True, slots=True)
class PlannedProcess:
    """A process that would start, and the processes below it."""

    name: str
    children: tuple[PlannedProcess, ...] = ()

    @property
    def count(self) -> int:
        """Number of processes in this tree."""
        return 1 + sum(child.count for child in self.children)


@dataclass(frozen=True, slots=True)
class PlannedMachines:
    """The machines of an engine that would host the nodes."""

    engine: str
    """The kind of engine, for instance ``"ray"``."""
    address: str
    wanted: int
    """Number of machines that the nodes need."""
    found: tuple[str, ...] | None
    """Names of the machines that are there now and have the wanted labels; None if that is not known."""
    unknown: str = ""
    """Why ``found`` is not known."""


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task of one run of the graph."""

    callable: str
    where: str
    """``"chip 0"`` or ``"node 0"``, ``"chips 0, 1"`` for a group, or ``"sub-workers"`` for any sub-worker."""
    after: tuple[int, ...]
    """Numbers of its predecessors, by submission order from 0."""


@dataclass(frozen=True, slots=True)
class PlannedGraph:
    """The task graph of one run."""

    tasks: tuple[PlannedTask, ...]
    complete: bool
    """False if the orchestration function waits for results, so that later tasks are not known before it runs, or if
    ``not_imported`` is set."""
    not_imported: str = ""
    """The user's target that submits the tasks, if a plan does not import it."""

    @property
    def edges(self) -> int:
        """Number of dependencies."""
        return sum(len(task.after) for task in self.tasks)

    def depths(self) -> list[int]:
        """For each task, the length of the longest chain of its predecessors."""
        depths: list[int] = []
        for task in self.tasks:
            depths.append(1 + max((depths[i] for i in task.after), default=-1))
        return depths

    def counts(self) -> dict[tuple[str, str], int]:
        """Number of tasks by callable and place."""
        counts: dict[tuple[str, str], int] = {}
        for task in self.tasks:
            counts[task.callable, task.where] = counts.get((task.callable, task.where), 0) + 1
        return counts


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan of a run."""

    workload: str
    topology: str
    target: str
    build: str
    runs: int
    """How often the graph is executed, including warm-up."""
    builds: tuple[PlannedBuild, ...]
    processes: PlannedProcess
    graph: PlannedGraph
    machines: PlannedMachines | None = None
    """None for nodes of this machine."""
    virtual: dict[str, Any] | None = None
    """``virtual`` of result.json; None without a chip model."""
