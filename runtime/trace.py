"""What a traced Worker recorded: spans of tasks and of cores, on one clock (CLOCK_MONOTONIC, nanoseconds)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from runtime.children import ChildInfo


class TaskSpan(NamedTuple):
    """One task, from its submit in the parent to its end in a child."""

    run: int
    task: int
    hashid: str
    kind: str
    """``"chip"``, ``"sub"`` or ``"node"``."""
    worker: int
    """Id of the child that ran it; -1 if none did."""
    submit_ns: int
    dispatch_ns: int
    """When its frame was put into the child's lane, the last time if it was begun again; 0 if it never was."""
    begin_ns: int
    """0 if it never began."""
    end_ns: int
    """When the child was done with it; 0 if it never began."""
    complete_ns: int
    """When the parent knew that it had ended."""
    waited_for: list[int]
    """Tasks of the same run that it depends on and that had not ended when it was submitted."""
    state: str
    """``"done"``, ``"failed"``, ``"skipped"``, ``"lost"`` or ``"cancelled"``."""


class CoreSpan(NamedTuple):
    """What one core of a chip did for one launch of a task."""

    worker: int
    run: int
    task: int
    core: int
    func_id: int
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything recorded since the last call of Worker.trace()."""

    tasks: list[TaskSpan] = field(default_factory=list)
    cores: list[CoreSpan] = field(default_factory=list)
    dropped: int = 0
    """Core spans lost because they came faster than they were taken."""
    nodes: dict[int, Trace] = field(default_factory=dict)
    """What the Workers within the nodes recorded, by the nodes' ids, on the same clock; runs and tasks have numbers of
    their own there. A node runs one orchestration function after the other: what lies below one of its tasks lies
    within it in time."""
    missing_nodes: list[int] = field(default_factory=list)
    """Ids of nodes that gave nothing: being replaced, or late. What a node recorded goes with it when it dies."""
    children: list[ChildInfo] = field(default_factory=list)
    """The processes that stood behind the ids when the trace was taken."""
