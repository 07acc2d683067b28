"""A plan as data: what ``output=json`` prints and what the table and the picture are made from."""

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
    """Of a callable, ``sha256:...``; of the core its key; empty where it is known only after the build."""
    reasons: tuple[str, ...] = ()
    """Why it would be built: what differs from the nearest entry of the store."""


@dataclass(frozen=True, slots=True)
class PlannedProcess:
    """A process that would start, and those below it."""

    name: str
    children: tuple[PlannedProcess, ...] = ()

    @property
    def count(self) -> int:
        """Processes from here on."""
        return 1 + sum(child.count for child in self.children)


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task of one run of the graph."""

    callable: str
    where: str
    """``"chip 0"`` or ``"node 0"``, ``"chips 0, 1"`` of a group, or ``"sub-workers"`` for any of them."""
    after: tuple[int, ...]
    """Numbers of the tasks that it must follow, by submission order from 0."""


@dataclass(frozen=True, slots=True)
class PlannedGraph:
    """The task graph of one run."""

    tasks: tuple[PlannedTask, ...]
    complete: bool
    """False: the orchestration waits for results, so that what comes after cannot be known before it runs, or
    ``not_imported``."""
    not_imported: str = ""
    """The target of the user's that decides what is submitted: a plan does not import it."""

    @property
    def edges(self) -> int:
        """Dependencies."""
        return sum(len(task.after) for task in self.tasks)

    def depths(self) -> list[int]:
        """Of each task, how many others must end one after the other before it."""
        depths: list[int] = []
        for task in self.tasks:
            depths.append(1 + max((depths[i] for i in task.after), default=-1))
        return depths

    def counts(self) -> dict[tuple[str, str], int]:
        """Tasks by callable and place."""
        counts: dict[tuple[str, str], int] = {}
        for task in self.tasks:
            counts[task.callable, task.where] = counts.get((task.callable, task.where), 0) + 1
        return counts


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run would do."""

    workload: str
    topology: str
    target: str
    build: str
    runs: int
    """How often the graph is executed, warm-up included."""
    builds: tuple[PlannedBuild, ...]
    processes: PlannedProcess
    graph: PlannedGraph
    virtual: dict[str, Any] | None = None
    """As in result.json, of a run with a chip model."""
