"""The data of report.html's timeline: rows of spans, the critical path, and the busy times of workers and cores."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.report.critical_path import KINDS, nested_critical_path
from pipeline.report.density import Spans, bin_count, busy, counts, lane_bins
from pipeline.report.failure import reasons, since
from pipeline.report.trace import kernel_name
from pipeline.report.workers import (
    NODE,
    child_name,
    dropped_spans,
    first_submit,
    missing_workers,
    recording_workers,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy.typing as npt

    from pipeline.report.critical_path import Segment
    from pipeline.report.workers import RecordingWorker
    from runtime.observe.trace import CoreSpan, TaskSpan, Trace

MOST_SPANS = 12_000
"""Most tasks, and most core spans, that a page holds one by one: failed ones, those on the critical path, and the
longest."""
MOST_SEGMENTS = 2_000
_LOAD_BINS = 400
_KIND_ORDER = {"chip": 0, NODE: 0}


def timeline(
    trace: Trace,
    names: Mapping[str, str],
    kernels: Mapping[str, Sequence[str]],
    *,
    path: Sequence[Segment] | None = None,
    left_out: int = 0,
    machines: Mapping[int, str] | None = None,
) -> dict[str, Any] | None:
    """The data that the page draws; None if no task was submitted. Times are nanoseconds since the first submit.

    Args:
        trace, names, kernels, path, left_out, machines: as in chrome_trace.

    Returns:
        ``span_ns``: from the first submit to the last completion.
        ``names``: names of callables and kernels; other values refer to them by index.
        ``submitters``: names of the Workers, the outermost first; other values refer to them by index.
        ``workers``: children of all Workers, also those that did nothing, each node followed by the children of its
        Worker, each with ``name``, ``label`` (its name within its Worker), ``depth``, ``kind``, ``of`` (its Worker),
        ``hosts`` (the Worker within a node, or -1), ``pid``, ``tasks``, ``busy_ns`` (the time that its lane executed)
        and ``cores`` (``core``, ``busy_ns``); others refer to them by index.
        ``tasks``: columns ``[worker, begin, duration, name, state, run, task, submit, dispatch, complete,
        waited_for, of, within, why]``: ``waited_for`` are task numbers of the same run, ``of`` is the Worker that
        submitted the task, ``within`` the index of the node's task that submitted it; a time that does not exist is -1.
        A failed task whose begin was not recorded has its dispatch as ``begin``, and ends when the parent noticed the
        failure; ``why`` is how its process ended; it is empty for other tasks.
        ``cores``: columns ``[worker, core, begin, duration, name, run, task]``.
        ``total_tasks``, ``total_cores``: numbers before thinning. ``dropped``: number of lost core spans, by Worker.
        ``load``: busy thousandths of all chips and sub-workers, in equal pieces of ``span_ns``.
        ``density``: the spans that are not in ``tasks`` and ``cores``, or null if there are none: ``bins``, the number
        of equal pieces of ``span_ns``; ``lanes``, each ``[worker, core or -1, pieces, thousandths busy, spans that
        begin there, name with most of the time]``; ``moments``, each ``[Worker, 0 for submits or 1 for completions,
        pieces, number]``. ``left_out``: number of recorded tasks that are not included. ``missing``: names of nodes
        without a report. ``work_ns``: for each level, execution by name of the callable, on chips and sub-workers and
        on nodes.
        ``path``: the MOST_SEGMENTS longest segments of the critical path as ``[kind, begin, duration, index into tasks
        or -1, cause]``. ``path_kinds``: the names of the kinds. ``path_ns``: nanoseconds by kind, of all segments.
        ``path_segments``: the number of all segments.
    """
    recorded = recording_workers(trace)
    spans = [span for worker in recorded for span in worker.trace.tasks]
    if not spans:
        return None
    origin = first_submit(recorded)
    path = nested_critical_path(recorded) if path is None else path
    workers = _workers(recorded)
    for worker in workers:
        if worker["kind"] == NODE and worker["of"] == 0:
            worker["machine"] = (machines or {}).get(worker["id"], "")
    index = {(worker["of"], worker["kind"], worker["id"]): i for i, worker in enumerate(workers)}

    first = list(accumulate((len(worker.trace.tasks) for worker in recorded), initial=0))
    wrong = {first[of] + i: why for of, worker in enumerate(recorded) for i, why in reasons(worker).items()}
    lost = {first[of] + i: at for of, worker in enumerate(recorded) for i, at in since(worker).items()}
    kept = _longest(spans, MOST_SPANS, {segment.span for segment in path}, wrong.keys())
    place = {i: position for position, i in enumerate(kept)}
    submitters = [of for of, worker in enumerate(recorded) for _ in worker.trace.tasks]
    within = [
        place.get(first[worker.above] + task, -1) if task >= 0 else -1
        for worker in recorded
        for task in (worker.within or [-1] * len(worker.trace.tasks))
    ]
    known = _Names()
    tasks = [
        (
            *_task(
                _drawn(spans[i], lost.get(i, 0)), submitters[i], index=index, known=known, names=names, origin=origin
            ),
            submitters[i],
            within[i],
            wrong.get(i, ""),
        )
        for i in kept
    ]
    cores = _Cores(recorded, kernels)
    kept_cores = _longest(cores.spans, MOST_SPANS, (), ())
    core_rows = [cores.row(i, index, known, origin) for i in kept_cores]
    whole = max(span.complete_ns for span in spans) - origin
    rest = _Rest(whole, len(workers) + len({(row[0], row[1]) for row in core_rows}))
    if len(kept) < len(spans):
        drawn = set(kept)
        left = [i for i in range(len(spans)) if i not in drawn]
        ran = [i for i in left if spans[i].begin_ns]
        rest.add_moments([spans[i] for i in left], [submitters[i] for i in left], origin)
        rest.add_lanes(
            [
                (
                    index[submitters[i], spans[i].kind, spans[i].worker],
                    -1,
                    spans[i].begin_ns - origin,
                    spans[i].end_ns - origin,
                    known.number(names.get(spans[i].hashid, spans[i].hashid)),
                )
                for i in ran
            ]
        )
    if len(kept_cores) < len(cores.spans):
        drawn = set(kept_cores)
        rows = (cores.row(i, index, known, origin) for i in range(len(cores.spans)) if i not in drawn)
        rest.add_lanes([(row[0], row[1], row[2], row[2] + row[3], row[4]) for row in rows])
    return {
        "span_ns": whole,
        "submitters": [worker.name for worker in recorded],
        "workers": workers,
        "names": known.list,
        "tasks": _columns(tasks),
        "cores": _columns(core_rows),
        "total_tasks": len(spans),
        "total_cores": len(cores.spans),
        "dropped": dropped_spans(recorded),
        "load": _load(recorded, origin, whole),
        "density": rest.document(),
        "left_out": left_out,
        "missing": missing_workers(recorded),
        "work_ns": _work(recorded, names),
        "path": [
            [KINDS.index(s.kind), s.begin_ns - origin, s.end_ns - s.begin_ns, place.get(s.span, -1), s.cause]
            for s in _longest_segments(path)
        ],
        "path_kinds": KINDS,
        "path_ns": {kind: sum(s.end_ns - s.begin_ns for s in path if s.kind == kind) for kind in KINDS},
        "path_segments": len(path),
    }


def _work(recorded: Sequence[RecordingWorker], names: Mapping[str, str]) -> list[dict[str, list[int]]]:
    work: list[dict[str, list[int]]] = [{} for _ in range(1 + max(len(worker.place) for worker in recorded))]
    for worker in recorded:
        of_level = work[len(worker.place)]
        for task in worker.trace.tasks:
            times = of_level.setdefault(names.get(task.hashid, task.hashid), [0, 0])
            times[task.kind == NODE] += task.end_ns - task.begin_ns
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


def _workers(recorded: Sequence[RecordingWorker]) -> list[dict[str, Any]]:
    hosted = {(worker.above, worker.node): of for of, worker in enumerate(recorded)}
    rows: list[dict[str, Any]] = []

    def add_children(of: int) -> None:
        for child in _children(recorded[of], of):
            rows.append(child)
            if child["kind"] == NODE and (of, child["id"]) in hosted:
                child["hosts"] = hosted[of, child["id"]]
                add_children(child["hosts"])

    add_children(0)
    return rows


def _children(worker: RecordingWorker, of: int) -> list[dict[str, Any]]:
    def made(kind: str, number: int, pid: int | None) -> dict[str, Any]:
        about = {"name": worker.child(kind, number), "label": child_name(kind, number), "depth": len(worker.place)}
        place = {"kind": kind, "id": number, "of": of, "hosts": -1, "pid": pid}
        return {**about, **place, "tasks": 0, "busy_ns": 0, "cores": []}

    found: dict[tuple[str, int], dict[str, Any]] = {}
    for child in sorted(worker.trace.children, key=lambda c: (_KIND_ORDER.get(c.kind, 1), c.kind, c.id)):
        found[child.kind, child.id] = made(child.kind, child.id, child.pid)
    for task in worker.trace.tasks:
        if task.begin_ns and task.worker >= 0:
            ran = task.kind, task.worker
            row = found[ran] if ran in found else found.setdefault(ran, made(*ran, None))
            row["tasks"] += 1
            row["busy_ns"] += task.end_ns - task.begin_ns
    busy: dict[tuple[int, int], int] = {}
    for core in worker.trace.cores:
        at = core.worker, core.core
        busy[at] = busy.get(at, 0) + core.end_ns - core.begin_ns
    for (chip, number), busy_ns in sorted(busy.items()):
        found["chip", chip]["cores"].append({"core": number, "busy_ns": busy_ns})
    return list(found.values())


def _task(
    task: TaskSpan,
    of: int,
    *,
    index: Mapping[tuple[int, str, int], int],
    known: _Names,
    names: Mapping[str, str],
    origin: int,
) -> tuple[Any, ...]:
    return (
        index[of, task.kind, task.worker] if task.begin_ns and task.worker >= 0 else -1,
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


def _drawn(task: TaskSpan, lost_since: int) -> TaskSpan:
    """The task with its drawn begin and end; a lost task ends when the parent noticed."""
    return task._replace(begin_ns=lost_since, end_ns=task.complete_ns) if lost_since else task


def _load(recorded: Sequence[RecordingWorker], origin: int, whole: int) -> list[int]:
    """The value of ``load``: a node does not count, because the workers below it do."""
    leaves = sum(child.kind != NODE for worker in recorded for child in worker.trace.children)
    ran = [t for worker in recorded for t in worker.trace.tasks if t.begin_ns and t.kind != NODE]
    begin = np.array([t.begin_ns for t in ran], dtype=np.int64) - origin
    end = np.array([t.end_ns for t in ran], dtype=np.int64) - origin
    each = max(1, whole) / _LOAD_BINS * max(1, leaves)
    shares: list[int] = (
        np.minimum(1000, np.rint(1000 * busy(begin, end, whole, _LOAD_BINS) / each)).astype(int).tolist()
    )
    return shares


class _Rest:
    """Collects the spans that are drawn as pieces of equal length because there are too many.

    Args:
        whole: the whole duration.
        lanes: the greatest number of rows.
    """

    def __init__(self, whole: int, lanes: int) -> None:
        self._whole, self._bins = whole, bin_count(lanes)
        self._lanes: list[list[Any]] = []
        self._moments: list[list[Any]] = []

    def add_lanes(self, rows: Sequence[tuple[int, int, int, int, int]]) -> None:
        """Adds spans: worker, core or -1, begin, end, name."""
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
        for worker, core in np.unique(table[:, :2], axis=0).tolist():
            of = table[(table[:, 0] == worker) & (table[:, 1] == core)]
            self._lanes.append([worker, core, *lane_bins(Spans(*of[:, 2:].T), self._whole, self._bins)])

    def add_moments(self, spans: Sequence[TaskSpan], submitters: Sequence[int], origin: int) -> None:
        """Adds the times at which each Worker submitted tasks and noticed their completion."""
        of = np.array(submitters, dtype=np.int64)
        for kind, times in enumerate(([s.submit_ns for s in spans], [s.complete_ns for s in spans])):
            at: npt.NDArray[np.int64] = np.array(times, dtype=np.int64) - origin
            for submitter in np.unique(of).tolist():
                numbers = counts(at[of == submitter], self._whole, self._bins)
                shown = np.flatnonzero(numbers)
                self._moments.append([submitter, kind, shown.tolist(), numbers[shown].tolist()])

    def document(self) -> dict[str, Any] | None:
        """The value of ``density`` in ``timeline``."""
        if not self._lanes and not self._moments:
            return None
        return {"bins": self._bins, "lanes": self._lanes, "moments": self._moments}


class _Cores:
    """Core spans of all Workers, with the kernels of the tasks that they belong to."""

    def __init__(self, recorded: Sequence[RecordingWorker], kernels: Mapping[str, Sequence[str]]) -> None:
        self.spans: list[CoreSpan] = [span for worker in recorded for span in worker.trace.cores]
        self._of = [of for of, worker in enumerate(recorded) for _ in worker.trace.cores]
        self._kernels = {
            (of, task.run, task.task): kernels.get(task.hashid, ())
            for of, worker in enumerate(recorded)
            if worker.trace.cores
            for task in worker.trace.tasks
        }

    def row(self, i: int, index: Mapping[tuple[int, str, int], int], known: _Names, origin: int) -> tuple[int, ...]:
        """A span in the form of the page."""
        core, of = self.spans[i], self._of[i]
        name = known.number(kernel_name(self._kernels.get((of, core.run, core.task), ()), core.func_id))
        duration = core.end_ns - core.begin_ns
        worker = index[of, "chip", core.worker]
        return worker, core.core, core.begin_ns - origin, duration, name, core.run, core.task


def _longest(
    spans: Sequence[TaskSpan] | Sequence[CoreSpan], most: int, also: Collection[int], first: Collection[int]
) -> list[int]:
    """Indices of the longest spans, in their order; the spans of ``first``, then of ``also``, take precedence."""
    if len(spans) <= most:
        return list(range(len(spans)))
    length = np.fromiter((span.end_ns - span.begin_ns for span in spans), np.int64, len(spans))
    rank = np.zeros(len(spans), np.int8)
    for worth, those in ((1, also), (2, first)):
        rank[[i for i in those if i >= 0]] = worth
    return sorted(np.lexsort((length, rank))[-most:].tolist())


def _longest_segments(path: Sequence[Segment]) -> list[Segment]:
    if len(path) <= MOST_SEGMENTS:
        return list(path)
    kept = sorted(path, key=lambda s: s.end_ns - s.begin_ns, reverse=True)[:MOST_SEGMENTS]
    return sorted(kept, key=lambda s: s.begin_ns)


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
