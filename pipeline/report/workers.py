"""The Workers of a trace: their names, and the task of the Worker above that submitted each of their tasks."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.observe.trace import TaskSpan, Trace

OUTERMOST = "parent"
"""The name of the outermost Worker, whose process is the parent of all."""
NODE = "node"
_KIND_NAMES = {"sub": "sub-worker"}


class RecordingWorker(NamedTuple):
    """One Worker of a traced tree. It numbers its own runs and tasks."""

    place: tuple[str, ...]
    """Names of the nodes that lead to it, for instance ``("node 1", "node 0")``; empty for the outermost."""
    above: int
    """Index of the Worker above; -1 for the outermost."""
    node: int
    """Id of the node that hosts it, in the Worker above; -1 for the outermost."""
    trace: Trace
    """Its trace, and the traces below it."""
    within: Sequence[int]
    """For each of its tasks, the index of the task of the Worker above that submitted it; -1 if it was not recorded.
    Empty for the outermost."""

    @property
    def name(self) -> str:
        """``parent``, or its path: ``node 1 / node 0``."""
        return " / ".join(self.place) or OUTERMOST

    def child(self, kind: str, number: int) -> str:
        """The full name of a child: ``chip 3``, ``node 1 / sub-worker 0``."""
        return " / ".join((*self.place, child_name(kind, number)))


def child_name(kind: str, number: int) -> str:
    """The name of a child within its Worker: ``chip 3``, ``sub-worker 0``."""
    return f"{_KIND_NAMES.get(kind, kind)} {number}"


def recording_workers(trace: Trace) -> list[RecordingWorker]:
    """All Workers of a trace: the outermost, then each node's Worker with those below it, by id."""
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
    """The time of the first submit in nanoseconds; 0 without tasks."""
    return min((span.submit_ns for worker in workers for span in worker.trace.tasks), default=0)


def dropped_spans(workers: Sequence[RecordingWorker]) -> dict[str, int]:
    """Number of lost core spans by Worker, without Workers that lost none."""
    return {worker.name: worker.trace.dropped for worker in workers if worker.trace.dropped}


def missing_workers(workers: Sequence[RecordingWorker]) -> list[str]:
    """Nodes that did not report the traces of themselves and of the Workers below."""
    return [worker.child(NODE, node) for worker in workers for node in worker.trace.missing_nodes]


def runs_of_outermost(workers: Sequence[RecordingWorker]) -> list[list[int]]:
    """For each Worker and each of its tasks, the run of the outermost Worker that submitted it; -1 if unknown."""
    runs: list[list[int]] = []
    for worker in workers:
        if worker.above < 0:
            runs.append([span.run for span in worker.trace.tasks])
        else:
            of_above = runs[worker.above]
            runs.append([of_above[task] if task >= 0 else -1 for task in worker.within])
    return runs


def tasks_within(workers: Sequence[RecordingWorker]) -> Mapping[tuple[int, int], tuple[int, list[int]]]:
    """By Worker and task: the Worker below and the tasks that it submitted there. Only tasks that submitted some."""
    found: dict[tuple[int, int], tuple[int, list[int]]] = {}
    for index, worker in enumerate(workers):
        for task, submitter in enumerate(worker.within):
            if submitter >= 0:
                found.setdefault((worker.above, submitter), (index, []))[1].append(task)
    return found


def _within(tasks: Sequence[TaskSpan], node: int, submitters: Sequence[TaskSpan]) -> list[int]:
    """Assigns tasks to the node's tasks that submitted them, by time: a node runs one task after the other."""
    ran = [i for i, span in enumerate(submitters) if span.kind == NODE and span.worker == node and span.begin_ns]
    ran.sort(key=lambda i: submitters[i].begin_ns)
    begins = [submitters[i].begin_ns for i in ran]

    def submitter(span: TaskSpan) -> int:
        position = bisect_right(begins, span.submit_ns) - 1
        if position < 0 or span.submit_ns > submitters[ran[position]].end_ns:
            return -1
        return ran[position]

    return [submitter(span) for span in tasks]
