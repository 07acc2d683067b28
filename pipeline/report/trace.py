"""trace.json.gz: the activity of every process, lane and core, in Chrome's trace event format, which Perfetto opens.

There is one process track for the parent and for each child, at every level. A process with a Worker (the parent or a
node) has three thread tracks for the moments at which tasks were submitted, dispatched and completed, as slices without
a duration. A child has a track for its lane, and one for each core that worked. A flow leads from each task's submit to
its dispatch, its execution and its completion; another leads from a node's task to each submit that it made. The parent
also has tracks of the stages of the run and of the critical path; each Worker has counters of queued tasks and busy
children; each lost task ends with an instant event that has the reason. The same spans give the same bytes. Format:
"Trace Event Format", the document of the Chromium project.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pipeline.common.files import write_atomically
from pipeline.report.critical_path import nested_critical_path
from pipeline.report.failure import reasons, since
from pipeline.report.trace_tracks import counter_events, death_event, path_events, stage_events
from pipeline.report.workers import (
    NODE,
    OUTERMOST,
    RecordingWorker,
    dropped_spans,
    first_submit,
    missing_workers,
    recording_workers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.report.critical_path import Segment
    from pipeline.terminal.actions import StageRecord
    from runtime.observe.trace import CoreSpan, TaskSpan, Trace

_LANE, _SUBMITS, _DISPATCHES, _COMPLETIONS, _FIRST_CORE = range(1, 6)
# Numbers that are free in the parent's process, which has no cores.
_STAGES, _PATH = 6, 7
_WORKER_TRACKS = {_SUBMITS: "submits", _DISPATCHES: "dispatches", _COMPLETIONS: "completions"}
_COMPRESSION = 1
"""A compression level that is several times as fast as the default, for a few more bytes."""
_KIND_ORDER = {"chip": 0, NODE: 0}
_NO_PROCESS = 1 << 22
"""Above all process ids of Linux: the numbers of children that have no process at the moment start here."""

Event = dict[str, Any]
_Timed = tuple[int, str]
"""The time in nanoseconds, and the event as JSON; several events if they must follow each other directly."""
_json = json.JSONEncoder(separators=(",", ":")).encode


def chrome_trace(
    trace: Trace,
    parent: int,
    names: Mapping[str, str],
    kernels: Mapping[str, Sequence[str]],
    *,
    stages: Sequence[StageRecord] = (),
    path: Sequence[Segment] | None = None,
    left_out: int = 0,
    machines: Mapping[int, str] | None = None,
) -> str:
    """The trace as the text of a JSON document.

    The events are text from the start: a hundred thousand tasks are a million events, and objects would take longer
    than the run.

    Args:
        trace: the Worker's trace; times are CLOCK_MONOTONIC nanoseconds.
        parent: process id of the outermost Worker.
        names: name by hashid; a callable without a name appears by its hashid.
        kernels: names of a chip callable's kernels by func_id, by hashid.
        stages: the stages of the run so far.
        path: its critical path, if it is known already.
        left_out: number of recorded tasks that are not in ``trace``.
        machines: the machine of each node that an engine hosts, by the node's id.

    Raises:
        KeyError: a span of a child that is not among the trace's children.
    """
    workers = recording_workers(trace)
    begun = [stage.begin_ns for stage in stages if stage.begin_ns]
    origin = min([*begun, first_submit(workers)] if trace.tasks else begun, default=0)
    path = nested_critical_path(workers) if path is None else path
    also = ({_STAGES: "stages of the run"} if begun else {}) | ({_PATH: "critical path"} if path else {})
    tracks = _Tracks(workers, parent, also, machines or {})
    flows = itertools.count()
    events: list[_Timed] = []
    slices = _Slices(names)
    kernel = functools.cache(functools.partial(_head, "core"))
    for index, worker in enumerate(workers):
        own = tracks.own[index]
        submitters = workers[worker.above].trace.tasks if worker.within else ()
        lost, why = since(worker), reasons(worker)
        events += counter_events(worker.trace.tasks, own, origin)
        for number, recorded in enumerate(worker.trace.tasks):
            span = recorded
            if number in lost:
                # The task is drawn until the parent noticed; its process recorded no end.
                span = recorded._replace(begin_ns=lost[number], end_ns=recorded.complete_ns)
                where = tracks.child(index, span.kind, span.worker), _LANE
                events.append(death_event(span, why[number], where, origin))
            child = tracks.child(index, span.kind, span.worker) if span.begin_ns and span.worker >= 0 else None
            within = worker.within[number] if worker.within else -1
            if within < 0:
                _add_task(events, span, own, child, slices, origin=origin, above="", number=next(flows))
                continue
            above = f',"within":{{"run":{submitters[within].run},"task":{submitters[within].task}}}'
            _add_task(events, span, own, child, slices, origin=origin, above=above, number=next(flows))
            lane = tracks.child(worker.above, NODE, worker.node)
            events += _submitted_by(lane, own, span.submit_ns, origin, next(flows))
        hashids = {(span.run, span.task): span.hashid for span in worker.trace.tasks} if worker.trace.cores else {}
        for core in worker.trace.cores:
            known = kernels.get(hashids.get((core.run, core.task), ""), ())
            head = kernel(kernel_name(known, core.func_id))
            events.append(_core_event(core, tracks.child(index, "chip", core.worker), head, origin))
    events += stage_events(stages, parent, _STAGES, origin)
    spans = [span for worker in workers for span in worker.trace.tasks]
    events += path_events(path, spans, names, (parent, _PATH), origin)
    # A stable sort: a flow event stays directly after its slice, as it attaches to the last slice of its track.
    events.sort(key=itemgetter(0))
    dropped = dropped_spans(workers)
    about = {
        "clock": "CLOCK_MONOTONIC",
        "origin_ns": origin,
        "dropped_core_spans": sum(dropped.values()),
        "dropped_core_spans_by_worker": dropped,
        "left_out_tasks": left_out,
        "missing_nodes": missing_workers(workers),
    }
    named = [_json(event) for event in tracks.events]
    listed = ",".join([*named, *(text for _, text in events)])
    return f'{{"displayTimeUnit":"ns","otherData":{_json(about)},"traceEvents":[{listed}]}}'


def write_trace(path: Path, text: str) -> None:
    """Writes a gzipped document in one step; the bytes depend only on the text."""
    write_atomically(path, gzip.compress(text.encode(), _COMPRESSION, mtime=0))


class _Tracks:
    """The process of each Worker and child, and the names and order of all tracks: the parent, then its children, each
    followed by the children below it; chips and nodes before sub-workers, by id."""

    def __init__(
        self, workers: Sequence[RecordingWorker], parent: int, also: Mapping[int, str], machines: Mapping[int, str]
    ) -> None:
        self._workers = workers
        self._machines = machines
        self._below = {(worker.above, worker.node): index for index, worker in enumerate(workers)}
        self._pids: dict[tuple[int, str, int], int] = {}
        self._positions = itertools.count()
        self.own = [parent] * len(workers)
        self.events = self._named(parent, OUTERMOST, {**_WORKER_TRACKS, **also})
        self._add_children(0)

    def child(self, worker: int, kind: str, number: int) -> int:
        """The process of a child of the Worker with this index."""
        try:
            return self._pids[worker, kind, number]
        except KeyError:
            raise KeyError(f"no {self._workers[worker].child(kind, number)} among the children") from None

    def _add_children(self, index: int) -> None:
        worker = self._workers[index]
        cores: dict[int, set[int]] = {}
        for core in worker.trace.cores:
            cores.setdefault(core.worker, set()).add(core.core)
        for child in sorted(worker.trace.children, key=lambda c: (_KIND_ORDER.get(c.kind, 1), c.id)):
            pid = child.pid if child.pid > 0 else _NO_PROCESS + len(self._pids)
            self._pids[index, child.kind, child.id] = pid
            below = self._below.get((index, child.id)) if child.kind == NODE else None
            working = sorted(cores.get(child.id, ())) if child.kind == "chip" else ()
            threads = {_LANE: "lane", **{_FIRST_CORE + core: f"core {core}" for core in working}}
            threads |= _WORKER_TRACKS if below is not None else {}
            self.events += self._named(pid, worker.child(child.kind, child.id), threads)
            if index == 0 and child.kind == NODE and child.id in self._machines:
                self.events.append(_metadata(pid, 0, "process_labels", {"labels": self._machines[child.id]}))
            if below is not None:
                self.own[below] = pid
                self._add_children(below)

    def _named(self, pid: int, name: str, threads: Mapping[int, str]) -> list[Event]:
        events = [
            _metadata(pid, 0, "process_name", {"name": name}),
            _metadata(pid, 0, "process_sort_index", {"sort_index": next(self._positions)}),
        ]
        for tid, thread in threads.items():
            events.append(_metadata(pid, tid, "thread_name", {"name": thread}))
            events.append(_metadata(pid, tid, "thread_sort_index", {"sort_index": tid}))
        return events


class _Slices:
    """The JSON prefixes of each callable's slices, each made once."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._known: dict[tuple[str, str], tuple[str, str, str, str, str]] = {}

    def of(self, hashid: str, kind: str) -> tuple[str, str, str, str, str]:
        """The hashid, then the texts after the times of a submit, a dispatch, an execution and a completion."""
        known = self._known.get((hashid, kind))
        if known is None:
            name = self._names.get(hashid, hashid)
            moments = [_head(verb, f"{verb} {name}") for verb in ("submit", "dispatch", "complete")]
            known = (_json(hashid), moments[0], moments[1], _head(kind, name), moments[2])
            self._known[hashid, kind] = known
        return known


def _head(category: str, name: str) -> str:
    """The text between the times and the arguments of a slice."""
    return f'"ph":"X","cat":{_json(category)},"name":{_json(name)},"args":'


def _add_task(
    events: list[_Timed],
    span: TaskSpan,
    worker: int,
    child: int | None,
    slices: _Slices,
    *,
    origin: int,
    above: str,
    number: int,
) -> None:
    """The events of a task in the process ``worker`` and, if it began, in the process ``child``; its submit comes
    first.

    A moment is a slice without a duration. After each slice comes the step of the task's flow that is bound to it.
    """
    hashid, submit, dispatch, execution, completion = slices.of(span.hashid, span.kind)
    task = f'"run":{span.run},"task":{span.task}'
    args = f'{task},"hashid":{hashid},"state":"{span.state}"{above}'
    flow = f'"cat":"task","name":"task","id":{number}'  # Perfetto requires a number here
    at = _at(worker, _SUBMITS, span.submit_ns, origin)
    waited = ",".join(map(str, span.waited_for))
    text = f'{{{at},"dur":0.0,{submit}{{{args},"waited_for":[{waited}]}}}},{{{at},{flow},"ph":"s"}}'
    events.append((span.submit_ns, text))
    if child is not None:
        at = _at(worker, _DISPATCHES, span.dispatch_ns, origin)
        events.append((span.dispatch_ns, f'{{{at},"dur":0.0,{dispatch}{{{task}}}}},{{{at},{flow},"ph":"t"}}'))
        begin = span.begin_ns
        at = _at(child, _LANE, begin, origin)
        queued = (begin - span.submit_ns) / 1000.0
        text = f'{{{at},"dur":{(span.end_ns - begin) / 1000.0},{execution}{{{args},"queued_us":{queued}}}}}'
        events.append((begin, f'{text},{{{at},{flow},"ph":"t"}}'))
    at = _at(worker, _COMPLETIONS, span.complete_ns, origin)
    text = f'{{{at},"dur":0.0,{completion}{{{task},"state":"{span.state}"}}}},{{{at},{flow},"ph":"f","bp":"e"}}'
    events.append((span.complete_ns, text))


def _submitted_by(lane: int, worker: int, time_ns: int, origin: int, number: int) -> tuple[_Timed, _Timed]:
    """The flow from the task in a node's lane to a submit that it makes at this time."""
    flow = f'"cat":"submit","name":"submits","id":{number}'
    begin, end = (_at(lane, _LANE, time_ns, origin), _at(worker, _SUBMITS, time_ns, origin))
    return (time_ns, f'{{{begin},{flow},"ph":"s"}}'), (time_ns, f'{{{end},{flow},"ph":"f","bp":"e"}}')


def _core_event(core: CoreSpan, chip: int, head: str, origin: int) -> _Timed:
    at = _at(chip, _FIRST_CORE + core.core, core.begin_ns, origin)
    args = f'"run":{core.run},"task":{core.task},"func_id":{core.func_id}'
    return core.begin_ns, f'{{{at},"dur":{(core.end_ns - core.begin_ns) / 1000.0},{head}{{{args}}}}}'


def kernel_name(kernels: Sequence[str], func_id: int) -> str:
    """The name of a callable's kernel, or its number if it has no name."""
    return kernels[func_id] if func_id < len(kernels) else f"kernel {func_id}"


def _metadata(pid: int, tid: int, name: str, args: dict[str, str | int]) -> Event:
    return {"ph": "M", "pid": pid, "tid": tid, "ts": 0.0, "name": name, "args": args}


def _at(pid: int, tid: int, time_ns: int, origin: int) -> str:
    return f'"pid":{pid},"tid":{tid},"ts":{(time_ns - origin) / 1000.0}'
