"""What a traced Worker recorded: spans of tasks and of cores, on one clock (CLOCK_MONOTONIC, nanoseconds)."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Glimpse(NamedTuple):
    """A look at what a traced Worker records, while it records."""

    recorded: int
    """Tasks recorded since the trace was taken last."""
    step: int
    """``ended`` has one of so many; 1: all of them."""
    ended: list[TaskSpan]
    """In the order in which they ended; ``waited_for`` is empty."""
    begun: list[TaskSpan]
    """Of each child that is at work the first task that it has not ended: ``begin_ns``, ``end_ns`` and ``complete_ns``
    are 0, ``state`` is ``"running"``."""


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
    answers = engine.take_node_traces() if nodes else []
    below = {node: pickle.loads(packed) for node, packed in answers if packed is not None}
    missing = [node for node in range(nodes) if node not in below]
    return Trace(_spans(tasks, codes), [CoreSpan(*span) for span in cores], dropped, below, missing, snapshot(engine))


def glimpse(engine: _core.Engine, codes: dict[str, int], since: int, most: int) -> Glimpse:
    """As Worker.glimpse."""
    recorded, step, ended, begun = engine.glimpse(since, most)
    at_work = [span._replace(state="running") for span in _spans(begun, codes)]
    return Glimpse(recorded, step, _spans(ended, codes), at_work)


def _spans(tasks: list[tuple[Any, ...]], codes: dict[str, int]) -> list[TaskSpan]:
    """From what the core says."""
    states = {codes[name]: state for name, state in _STATES.items()}
    spans = []
    for run, task, digest, kind, child, times, code in tasks:
        submit, dispatch, begin, end, complete, waited_for = times
        hashid, state = f"sha256:{digest.hex()}", states.get(code, "failed")
        spans.append(
            TaskSpan(run, task, hashid, kind, child, submit, dispatch, begin, end, complete, waited_for, state)
        )
    return spans


pickled_names.keep(__name__)
