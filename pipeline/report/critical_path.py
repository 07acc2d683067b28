"""The critical path of a trace: how the time from the first submit to the last completion was spent.

The path is found backwards from the last completed task. What determined the begin of a task is the latest of its
submit, the end of its predecessors, and the end of the task that its worker executed before it. The segments follow
each other without a gap, so their lengths add up to the whole time. If a task on the path ran on a node, the path
continues through the tasks that it submitted there.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from pipeline.report.workers import tasks_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.report.workers import RecordingWorker
    from runtime.observe.trace import TaskSpan

EXECUTION = "execution"
HAND_OVER = "hand-over"
SUBMISSION = "submission"
COMPLETION = "completion"
BETWEEN_RUNS = "between runs"
BELOW = "below"
KINDS = (EXECUTION, HAND_OVER, SUBMISSION, COMPLETION, BETWEEN_RUNS)


class Segment(NamedTuple):
    """One piece of the path."""

    kind: str
    """``execution``: a task ran. ``hand-over``: a released task was on its way to its worker. ``submission``: the
    orchestration function had not submitted the task yet. ``completion``: the task had ended, and the parent had not
    noticed it yet. ``between runs``: no run was under way."""
    begin_ns: int
    end_ns: int
    span: int
    """Index of its task; -1 between runs."""
    cause: str = ""
    """For an execution, why it did not begin earlier: ``submit``, ``dependency`` or ``worker``; ``below`` for the part
    of a node's task after all tasks that it submitted."""


def critical_path(spans: Sequence[TaskSpan]) -> list[Segment]:
    """The segments in order of time, from the first submit to the last completion of a task that began."""
    began = [i for i, span in enumerate(spans) if span.begin_ns]
    if not began:
        return []
    walk = _Walk(spans, began)
    path: list[Segment] = []

    def put(kind: str, begin: int, end: int, span: int, cause: str = "") -> None:
        if end > begin or kind == EXECUTION:
            path.append(Segment(kind, begin, end, span, cause))

    at: int | None = max(began, key=lambda i: spans[i].complete_ns)
    while at is not None:
        put(COMPLETION, spans[at].end_ns, spans[at].complete_ns, at)
        while True:
            since, cause, earlier = walk.cause_of(at)
            put(EXECUTION, spans[at].begin_ns, spans[at].end_ns, at, cause)
            put(HAND_OVER, since, spans[at].begin_ns, at)
            if earlier is None:
                break
            at = earlier
        first_submit = walk.first_submit[spans[at].run]
        put(SUBMISSION, first_submit, spans[at].submit_ns, at)
        at = walk.complete_before(first_submit)
        since = spans[at].complete_ns if at is not None else walk.origin
        put(BETWEEN_RUNS, since, first_submit, -1)
    return path[::-1]


def nested_critical_path(workers: Sequence[RecordingWorker]) -> list[Segment]:
    """The critical path of the outermost Worker. An execution of a node's task on it is replaced by the critical path
    of the tasks that it submitted; before the first and after the last of these, the node's task itself executes.

    Args:
        workers: the result of ``recording_workers``; ``Segment.span`` counts their tasks, Worker by Worker.
    """
    below = tasks_within(workers)
    first = list(accumulate((len(worker.trace.tasks) for worker in workers), initial=0))

    def path_of(worker: int, tasks: Sequence[int]) -> Iterator[Segment]:
        spans = workers[worker].trace.tasks
        for segment in critical_path([spans[i] for i in tasks]):
            if segment.span < 0:
                yield segment
                continue
            task = tasks[segment.span]
            whole = segment._replace(span=first[worker] + task)
            inside = below.get((worker, task)) if segment.kind == EXECUTION else None
            lower = list(_clipped(path_of(*inside), whole.begin_ns, whole.end_ns)) if inside else []
            if not lower:
                yield whole
                continue
            yield whole._replace(end_ns=lower[0].begin_ns)
            yield from lower
            yield whole._replace(begin_ns=lower[-1].end_ns, cause=BELOW)

    return list(path_of(0, range(len(workers[0].trace.tasks))))


def _clipped(path: Iterable[Segment], begin: int, end: int) -> Iterator[Segment]:
    """The part of a path between two times: tasks of an abandoned run may end after it."""
    for segment in path:
        if segment.begin_ns < end and segment.end_ns > begin:
            yield segment._replace(begin_ns=max(begin, segment.begin_ns), end_ns=min(end, segment.end_ns))


class _Walk:
    """Finds the cause of a task's begin."""

    def __init__(self, spans: Sequence[TaskSpan], began: Sequence[int]) -> None:
        self._spans = spans
        self._index = {(spans[i].run, spans[i].task): i for i in began}
        self._before: dict[int, int] = {}
        # Ties are ordered by submission, so that the walk backwards always ends.
        last: dict[tuple[str, int], int] = {}
        for i in sorted(began, key=lambda i: (spans[i].begin_ns, spans[i].end_ns, spans[i].run, i)):
            worker = spans[i].kind, spans[i].worker
            if worker in last:
                self._before[i] = last[worker]
            last[worker] = i
        self.first_submit: dict[int, int] = {}
        for span in spans:
            self.first_submit[span.run] = min(span.submit_ns, self.first_submit.get(span.run, span.submit_ns))
        self.origin = min(self.first_submit.values())
        self._by_complete = sorted(began, key=lambda i: spans[i].complete_ns)
        self._completes = [spans[i].complete_ns for i in self._by_complete]

    def cause_of(self, at: int) -> tuple[int, str, int | None]:
        """The event that a task waited for last, as (time, cause, task); the task is None for its own submit."""
        span = self._spans[at]
        found: tuple[int, str, int | None] = (span.submit_ns, "submit", None)
        for task in span.waited_for:
            earlier = self._index.get((span.run, task))
            if earlier is not None and found[0] < self._spans[earlier].end_ns <= span.begin_ns:
                found = self._spans[earlier].end_ns, "dependency", earlier
        before = self._before.get(at)
        # Only if the task was in the lane already: otherwise the worker waited for the task.
        if before is not None and max(found[0], span.dispatch_ns) < self._spans[before].end_ns <= span.begin_ns:
            found = self._spans[before].end_ns, "worker", before
        return found

    def complete_before(self, time_ns: int) -> int | None:
        """The task that was completed last before this time; None if there is none."""
        position = bisect_right(self._completes, time_ns)
        while position and self._spans[self._by_complete[position - 1]].submit_ns >= time_ns:
            position -= 1
        return self._by_complete[position - 1] if position else None
