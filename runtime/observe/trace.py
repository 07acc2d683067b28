"""The records of a traced Worker: spans of tasks and of cores, on one clock (CLOCK_MONOTONIC, nanoseconds)."""

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
    """When its frame was last put into a child's lane; 0 if it never was."""
    begin_ns: int
    """When the child began it; 0 if it never began."""
    end_ns: int
    """When the child ended it; 0 if it never began."""
    complete_ns: int
    """When the parent noticed its end."""
    waited_for: list[int]
    """Tasks of the same run that it depends on and that had not ended when it was submitted."""
    state: str
    """``"done"``, ``"failed"``, ``"skipped"``, ``"lost"``, ``"timed out"`` or ``"cancelled"``."""


class CoreSpan(NamedTuple):
    """The work of one core of a chip for one launch of a task."""

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
    """Number of core spans that were lost because the parent took them more slowly than the chips recorded them."""
    nodes: dict[int, Trace] = field(default_factory=dict)
    """The traces of the Workers within the nodes, by the nodes' ids, on the same clock; runs and tasks are numbered
    separately there. A node runs one orchestration function at a time: the spans below one of its tasks lie within
    that task's time."""
    missing_nodes: list[int] = field(default_factory=list)
    """Ids of nodes whose traces are missing: the node was being replaced, or answered too late. The records of
    a node that dies are lost."""
    children: list[ChildInfo] = field(default_factory=list)
    """The child processes at the time when the trace was taken."""
    clock_bound_ns: int = 0
    """The greatest error of the times of a node on another machine; 0 on this machine."""


class Glimpse(NamedTuple):
    """A part of a traced Worker's records, taken while it records."""

    recorded: int
    """Number of tasks recorded since the trace was last taken."""
    step: int
    """``ended`` has one task of every ``step`` ended tasks; 1: all of them."""
    ended: list[TaskSpan]
    """Ended tasks, in the order of their ends; ``waited_for`` is empty."""
    begun: list[TaskSpan]
    """The first unfinished task of each working child: ``begin_ns``, ``end_ns`` and ``complete_ns`` are 0, ``state`` is
    ``"running"``."""


_STATES = {
    "ok": "done",
    "skipped": "skipped",
    "worker_lost": "lost",
    "given_up": "lost",
    "task_timeout": "timed out",
    "cancelled": "cancelled",
}
"""The state of a task that ended with one of these codes; with any other code it failed."""


def take_trace(engine: _core.Engine, codes: dict[str, int], nodes: int) -> Trace:
    """Takes the records of an engine and of the Workers within its nodes.

    Args:
        engine: records spans.
        codes: the numbers of the native core's codes, by name.
        nodes: number of nodes, with ids from 0.
    """
    tasks, cores, dropped = engine.take_trace()
    answers = engine.take_node_traces() if nodes else []
    below = {node: pickle.loads(packed) for node, packed in answers if packed is not None}
    missing = [node for node in range(nodes) if node not in below]
    return Trace(_spans(tasks, codes), [CoreSpan(*span) for span in cores], dropped, below, missing, snapshot(engine))


def glimpse(engine: _core.Engine, codes: dict[str, int], since: int, most: int) -> Glimpse:
    """See Worker.glimpse."""
    recorded, step, ended, begun = engine.glimpse(since, most)
    at_work = [span._replace(state="running") for span in _spans(begun, codes)]
    return Glimpse(recorded, step, _spans(ended, codes), at_work)


def _spans(tasks: list[tuple[Any, ...]], codes: dict[str, int]) -> list[TaskSpan]:
    """Makes a span of each task record of the native core."""
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
