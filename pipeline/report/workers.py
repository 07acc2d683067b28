"""The Workers whose spans a trace holds: what each is called, and during which tasks of the Worker above it worked."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.observe.trace import TaskSpan, Trace

OUTERMOST = "parent"
"""What the outermost Worker is called, whose process is the parent of all."""
NODE = "node"
_KIND_NAMES = {"sub": "sub-worker"}


class RecordingWorker(NamedTuple):
    """One Worker of a traced tree. Its runs and tasks have numbers of their own."""

    place: tuple[str, ...]
    """Names of the nodes that lead to it, for instance ``("node 1", "node 0")``; none of the outermost."""
    above: int
    """Index of the Worker above; -1 of the outermost."""
    node: int
    """Id there of the node that hosts it; -1 of the outermost."""
    trace: Trace
    """What it recorded itself, and below it."""
    within: Sequence[int]
    """For each of its tasks the index of the task of the Worker above that submitted it; -1 if that was not recorded.
    Empty for the outermost."""

    @property
    def name(self) -> str:
        """``parent``, or the way to it: ``node 1 / node 0``."""
        return " / ".join(self.place) or OUTERMOST

    def child(self, kind: str, number: int) -> str:
        """What people call a child of it: ``chip 3``, ``node 1 / sub-worker 0``."""
        return " / ".join((*self.place, child_name(kind, number)))


def child_name(kind: str, number: int) -> str:
    """What people call a child within its Worker: ``chip 3``, ``sub-worker 0``."""
    return f"{_KIND_NAMES.get(kind, kind)} {number}"


def recording_workers(trace: Trace) -> list[RecordingWorker]:
    """All Workers of a trace: the outermost, then each node's with what is below it, by id."""
    workers: list[RecordingWorker] = []

    def add(trace: Trace, place: tuple[str, ...], above: int, node: int) -> None:
        index = len(workers)
        within = _within(trace.tasks, node, workers[above].trace.tasks) if workers else ()
        workers.append(RecordingWorker(place, above, node, trace, within))
        for number, below in sorted(trace.nodes.items()):
            add(below, (*place, child_name(NODE, number)), index, number)

    add(trace, (), -1, -1)
    return workers


def first_submit(workers: Sequence[RecordingWorker]) -> int:
    """When the first task was submitted, in nanoseconds; 0 if none was."""
    return min((span.submit_ns for worker in workers for span in worker.trace.tasks), default=0)


def dropped_spans(workers: Sequence[RecordingWorker]) -> dict[str, int]:
    """How many core spans were lost, by Worker; those that lost none are left out."""
    return {worker.name: worker.trace.dropped for worker in workers if worker.trace.dropped}


def missing_workers(workers: Sequence[RecordingWorker]) -> list[str]:
    """Nodes that told nothing of what they, and whatever is below them, recorded."""
    return [worker.child(NODE, node) for worker in workers for node in worker.trace.missing_nodes]


def runs_of_outermost(workers: Sequence[RecordingWorker]) -> list[list[int]]:
    """For each Worker, for each of its tasks, during which run of the outermost it was submitted; -1 if not known."""
    runs: list[list[int]] = []
    for worker in workers:
        if worker.above < 0:
            runs.append([span.run for span in worker.trace.tasks])
        else:
            of_above = runs[worker.above]
            runs.append([of_above[task] if task >= 0 else -1 for task in worker.within])
    return runs


def tasks_within(workers: Sequence[RecordingWorker]) -> Mapping[tuple[int, int], tuple[int, list[int]]]:
    """By Worker and task: the Worker below whose tasks it submitted, and those. Not of tasks that submitted none."""
    found: dict[tuple[int, int], tuple[int, list[int]]] = {}
    for index, worker in enumerate(workers):
        for task, submitter in enumerate(worker.within):
            if submitter >= 0:
                found.setdefault((worker.above, submitter), (index, []))[1].append(task)
    return found


def _within(tasks: Sequence[TaskSpan], node: int, submitters: Sequence[TaskSpan]) -> list[int]:
    """A node runs one task after the other, so that time tells which of them submitted what."""
    ran = [i for i, span in enumerate(submitters) if span.kind == NODE and span.worker == node and span.begin_ns]
    ran.sort(key=lambda i: submitters[i].begin_ns)
    begins = [submitters[i].begin_ns for i in ran]

    def submitter(span: TaskSpan) -> int:
        position = bisect_right(begins, span.submit_ns) - 1
        if position < 0 or span.submit_ns > submitters[ran[position]].end_ns:
            return -1
        return ran[position]

    return [submitter(span) for span in tasks]
