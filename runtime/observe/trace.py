"""What a traced Worker recorded: spans of tasks and of cores, on one clock (CLOCK_MONOTONIC, nanoseconds)."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from runtime import pickled_names
from runtime.observe.child_info import ChildInfo, snapshot

if TYPE_CHECKING:
    from runtime import _core


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


_STATES = {
    "ok": "done",
    "skipped": "skipped",
    "worker_lost": "lost",
    "given_up": "lost",
    "task_timeout": "timed out",
    "cancelled": "cancelled",
}
"""Of a task that ended with one of these codes; with any other it failed."""


def take_trace(engine: _core.Engine, codes: dict[str, int], nodes: int) -> Trace:
    """Takes what an engine has recorded, and what the Workers within its nodes have.

    Args:
        engine: records spans.
        codes: names to numbers of the native core's codes.
        nodes: how many nodes there are, with ids from 0.
    """
    tasks, cores, dropped = engine.take_trace()
    states = {codes[name]: state for name, state in _STATES.items()}
    spans = []
    for run, task, digest, kind, child, times, code in tasks:
        submit, dispatch, begin, end, complete, waited_for = times
        hashid, state = f"sha256:{digest.hex()}", states.get(code, "failed")
        spans.append(
            TaskSpan(run, task, hashid, kind, child, submit, dispatch, begin, end, complete, waited_for, state)
        )
    answers = engine.take_node_traces() if nodes else []
    below = {node: pickle.loads(packed) for node, packed in answers if packed is not None}
    missing = [node for node in range(nodes) if node not in below]
    return Trace(spans, [CoreSpan(*span) for span in cores], dropped, below, missing, snapshot(engine))


pickled_names.keep(__name__)
