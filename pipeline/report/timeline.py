"""The data behind report.html's timeline: rows of spans, the critical path, and how busy every worker and core was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.report.critical_path import KINDS, critical_path
from pipeline.report.trace import child_name, kernel_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.report.critical_path import Segment
    from runtime.children import ChildInfo
    from runtime.trace import CoreSpan, TaskSpan, Trace

MOST_SPANS = 20_000
"""Tasks, and likewise core spans, that a page holds one by one; of more, the longest."""
MOST_SEGMENTS = 2_000
_KIND_ORDER = {"chip": 0}


def timeline(
    trace: Trace, children: Sequence[ChildInfo], names: Mapping[str, str], kernels: Mapping[str, Sequence[str]]
) -> dict[str, Any] | None:
    """What the page draws; None if no task was submitted. Times are nanoseconds since the first submit.

    Args:
        trace, names, kernels: as of chrome_trace.
        children: every child, also one that did nothing.

    Returns:
        ``span_ns``: from the first submit to the last completion.
        ``names``: of callables and kernels; others refer to them by index.
        ``workers``: in order, each with ``name``, ``pid``, ``tasks``, ``busy_ns`` (its lane executed) and ``cores``
        (``core``, ``busy_ns``); others refer to them by index.
        ``tasks``: columns ``[worker, begin, duration, name, state, run, task, submit, dispatch, complete,
        waited_for]``, ``waited_for`` as task numbers of the same run; what never happened is -1.
        ``cores``: columns ``[worker, core, begin, duration, name, run, task]``.
        ``total_tasks``, ``total_cores``: before thinning. ``dropped``: core spans that were lost.
        ``work_ns``: execution by name of the callable.
        ``path``: the MOST_SEGMENTS longest segments of the critical path as ``[kind, begin, duration, index into tasks
        or -1, cause]``. ``path_kinds``: what ``kind`` counts. ``path_ns``: nanoseconds by kind, of all segments.
        ``path_segments``: their number.
    """
    if not trace.tasks:
        return None
    origin = min(task.submit_ns for task in trace.tasks)
    end = max(task.complete_ns for task in trace.tasks)
    path = critical_path(trace.tasks)
    workers = _workers(trace, children)
    index = {(worker["kind"], worker["id"]): i for i, worker in enumerate(workers)}
    kernels_of = {(task.run, task.task): kernels.get(task.hashid, ()) for task in trace.tasks} if trace.cores else {}

    kept = _longest(trace.tasks, MOST_SPANS, {segment.span for segment in path})
    place = {i: position for position, i in enumerate(kept)}
    known = _Names()
    tasks = [_task(trace.tasks[i], index, known, names, origin) for i in kept]
    cores = [
        _core(trace.cores[i], index, known, kernels_of, origin) for i in _longest(trace.cores, MOST_SPANS, frozenset())
    ]
    return {
        "span_ns": end - origin,
        "workers": workers,
        "names": known.list,
        "tasks": _columns(tasks),
        "cores": _columns(cores),
        "total_tasks": len(trace.tasks),
        "total_cores": len(trace.cores),
        "dropped": trace.dropped,
        "work_ns": _work(trace, names),
        "path": [
            [KINDS.index(s.kind), s.begin_ns - origin, s.end_ns - s.begin_ns, place.get(s.span, -1), s.cause]
            for s in _longest_segments(path)
        ],
        "path_kinds": KINDS,
        "path_ns": {kind: sum(s.end_ns - s.begin_ns for s in path if s.kind == kind) for kind in KINDS},
        "path_segments": len(path),
    }


def _work(trace: Trace, names: Mapping[str, str]) -> dict[str, int]:
    work: dict[str, int] = {}
    for task in trace.tasks:
        name = names.get(task.hashid, task.hashid)
        work[name] = work.get(name, 0) + task.end_ns - task.begin_ns
    return work


class _Names:
    """Gives each name a number."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self.list)
            self.list.append(name)
        return self._numbers[name]


def _workers(trace: Trace, children: Sequence[ChildInfo]) -> list[dict[str, Any]]:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for child in sorted(children, key=lambda c: (_KIND_ORDER.get(c.kind, 1), c.kind, c.id)):
        found[child.kind, child.id] = _worker(child.kind, child.id, child.pid)
    for task in trace.tasks:
        if task.begin_ns and task.worker >= 0:
            worker = found.setdefault((task.kind, task.worker), _worker(task.kind, task.worker, None))
            worker["tasks"] += 1
            worker["busy_ns"] += task.end_ns - task.begin_ns
    busy: dict[tuple[int, int], int] = {}
    for core in trace.cores:
        at = core.worker, core.core
        busy[at] = busy.get(at, 0) + core.end_ns - core.begin_ns
    for (chip, number), busy_ns in sorted(busy.items()):
        found["chip", chip]["cores"].append({"core": number, "busy_ns": busy_ns})
    return list(found.values())


def _worker(kind: str, worker: int, pid: int | None) -> dict[str, Any]:
    name = child_name(kind, worker)
    return {"name": name, "kind": kind, "id": worker, "pid": pid, "tasks": 0, "busy_ns": 0, "cores": []}


def _task(
    task: TaskSpan, index: Mapping[tuple[str, int], int], known: _Names, names: Mapping[str, str], origin: int
) -> tuple[Any, ...]:
    return (
        index[task.kind, task.worker] if task.begin_ns and task.worker >= 0 else -1,
        task.begin_ns - origin if task.begin_ns else -1,
        task.end_ns - task.begin_ns if task.begin_ns else 0,
        known.number(names.get(task.hashid, task.hashid)),
        task.state,
        task.run,
        task.task,
        task.submit_ns - origin,
        task.dispatch_ns - origin if task.dispatch_ns else -1,
        task.complete_ns - origin,
        task.waited_for,
    )


def _core(
    core: CoreSpan,
    index: Mapping[tuple[str, int], int],
    known: _Names,
    kernels_of: Mapping[tuple[int, int], Sequence[str]],
    origin: int,
) -> tuple[int, ...]:
    name = known.number(kernel_name(kernels_of.get((core.run, core.task), ()), core.func_id))
    duration = core.end_ns - core.begin_ns
    return index["chip", core.worker], core.core, core.begin_ns - origin, duration, name, core.run, core.task


def _longest(spans: Sequence[TaskSpan] | Sequence[CoreSpan], most: int, also: set[int] | frozenset[int]) -> list[int]:
    """Indices of the longest spans, in their order; those of ``also`` go first, as far as there is room."""
    if len(spans) <= most:
        return list(range(len(spans)))
    ordered = sorted(range(len(spans)), key=lambda i: (i in also, spans[i].end_ns - spans[i].begin_ns), reverse=True)
    return sorted(ordered[:most])


def _longest_segments(path: Sequence[Segment]) -> list[Segment]:
    if len(path) <= MOST_SEGMENTS:
        return list(path)
    kept = sorted(path, key=lambda s: s.end_ns - s.begin_ns, reverse=True)[:MOST_SEGMENTS]
    return sorted(kept, key=lambda s: s.begin_ns)


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
