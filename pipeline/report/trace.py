"""trace.json.gz: what every process, lane and core did, in Chrome's trace event format, which Perfetto opens.

One process track for the parent and for each child. In the parent three thread tracks say when tasks were submitted,
dispatched and known to be complete: moments, hence slices without a duration. In a child one track is its lane, and one
each core that worked. One flow a task leads from its submit over its dispatch and its execution to its completion. The
same spans give the same bytes. Format: "Trace Event Format", the document of the Chromium project.
"""

from __future__ import annotations

import functools
import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.report.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runtime.children import ChildInfo
    from runtime.trace import CoreSpan, TaskSpan, Trace

_SUBMITS, _DISPATCHES, _COMPLETIONS = 1, 2, 3
_PARENT_TRACKS = {_SUBMITS: "submits", _DISPATCHES: "dispatches", _COMPLETIONS: "completions"}
_COMPRESSION = 1
"""Several times as fast as the default, for some more bytes."""
_LANE = 1
_FIRST_CORE = 2
_KIND_NAMES = {"sub": "sub-worker"}

Event = dict[str, Any]


@dataclass(frozen=True)
class Processes:
    """Which process stood behind each child."""

    parent: int
    """Process id of the parent."""
    children: Sequence[ChildInfo]

    @functools.cached_property
    def _pids(self) -> dict[tuple[str, int], int]:
        return {(child.kind, child.id): child.pid for child in self.children}

    def pid_of(self, kind: str, worker: int) -> int:
        """The process id of a child. Raises KeyError if there is no such child."""
        try:
            return self._pids[kind, worker]
        except KeyError:
            raise KeyError(f"no {child_name(kind, worker)} among the children") from None


def child_name(kind: str, worker: int) -> str:
    """What people call a child: ``chip 3``, ``sub-worker 0``."""
    return f"{_KIND_NAMES.get(kind, kind)} {worker}"


def chrome_trace(
    trace: Trace, processes: Processes, names: Mapping[str, str], kernels: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The trace as a JSON document.

    Args:
        trace: what the Worker recorded; times are CLOCK_MONOTONIC nanoseconds.
        processes: the parent and its children.
        names: name by hashid; a callable that is not named here appears by its hashid.
        kernels: names of a chip callable's kernels by func_id, by hashid.
    """
    origin = min((span.submit_ns for span in trace.tasks), default=0)
    tasks = {(span.run, span.task): span for span in trace.tasks}
    events: list[Event] = []
    for number, span in enumerate(trace.tasks):
        events += _task_events(number, span, processes, names.get(span.hashid, span.hashid), origin)
    for core in trace.cores:
        events.append(_core_event(core, tasks, processes, kernels, origin))
    # Stable, and a flow event comes right behind its slice: it attaches to the slice opened last on its track.
    events.sort(key=lambda event: event["ts"])
    return {
        "displayTimeUnit": "ns",
        "otherData": {"clock": "CLOCK_MONOTONIC", "origin_ns": origin, "dropped_core_spans": trace.dropped},
        "traceEvents": [*_track_events(trace, processes), *events],
    }


def write_trace(path: Path, document: Mapping[str, Any]) -> None:
    """Writes the document gzipped, in one step; the bytes depend on nothing but the document."""
    text = json.dumps(document, separators=(",", ":"))
    write_atomically(path, gzip.compress(text.encode(), _COMPRESSION, mtime=0))


def _task_events(number: int, span: TaskSpan, processes: Processes, name: str, origin: int) -> Iterator[Event]:
    task = {"run": span.run, "task": span.task}
    args = {**task, "hashid": span.hashid, "state": span.state}
    flow = {"cat": "task", "name": "task", "id": number}  # Perfetto wants a number here
    parent = processes.parent

    def moment(track: int, time_ns: int, verb: str, args: Mapping[str, Any]) -> tuple[Event, Event]:
        at = _at(parent, track, time_ns, origin)
        return {**at, "ph": "X", "dur": 0.0, "cat": verb, "name": f"{verb} {name}", "args": args}, {**at, **flow}

    submit, arrow = moment(_SUBMITS, span.submit_ns, "submit", {**args, "waited_for": span.waited_for})
    yield from (submit, {**arrow, "ph": "s"})
    if span.begin_ns and span.worker >= 0:
        dispatch, arrow = moment(_DISPATCHES, span.dispatch_ns, "dispatch", task)
        yield from (dispatch, {**arrow, "ph": "t"})
        begin = _at(processes.pid_of(span.kind, span.worker), _LANE, span.begin_ns, origin)
        yield {
            **begin,
            "ph": "X",
            "dur": _microseconds(span.end_ns - span.begin_ns),
            "cat": span.kind,
            "name": name,
            "args": {**args, "queued_us": _microseconds(span.begin_ns - span.submit_ns)},
        }
        yield {**begin, **flow, "ph": "t"}
    complete, arrow = moment(_COMPLETIONS, span.complete_ns, "complete", {**task, "state": span.state})
    yield from (complete, {**arrow, "ph": "f", "bp": "e"})


def _core_event(
    core: CoreSpan,
    tasks: Mapping[tuple[int, int], TaskSpan],
    processes: Processes,
    kernels: Mapping[str, Sequence[str]],
    origin: int,
) -> Event:
    task = tasks.get((core.run, core.task))
    known = kernels.get(task.hashid, ()) if task else ()
    return {
        **_at(processes.pid_of("chip", core.worker), _FIRST_CORE + core.core, core.begin_ns, origin),
        "ph": "X",
        "dur": _microseconds(core.end_ns - core.begin_ns),
        "cat": "core",
        "name": kernel_name(known, core.func_id),
        "args": {"run": core.run, "task": core.task, "func_id": core.func_id},
    }


def kernel_name(kernels: Sequence[str], func_id: int) -> str:
    """The name of a kernel of a callable, or its number if it has none."""
    return kernels[func_id] if func_id < len(kernels) else f"kernel {func_id}"


def _track_events(trace: Trace, processes: Processes) -> list[Event]:
    """Names and order of the tracks: the parent, chips, sub-workers, each by id."""
    events = _named(processes.parent, 0, "parent", _PARENT_TRACKS)
    for position, child in enumerate(sorted(processes.children, key=lambda child: (child.kind, child.id)), start=1):
        cores = sorted({core.core for core in trace.cores if child.kind == "chip" and core.worker == child.id})
        threads = {_LANE: "lane", **{_FIRST_CORE + core: f"core {core}" for core in cores}}
        events += _named(child.pid, position, child_name(child.kind, child.id), threads)
    return events


def _named(pid: int, position: int, name: str, threads: Mapping[int, str]) -> list[Event]:
    events = [
        _metadata(pid, 0, "process_name", {"name": name}),
        _metadata(pid, 0, "process_sort_index", {"sort_index": position}),
    ]
    for tid, thread in threads.items():
        events.append(_metadata(pid, tid, "thread_name", {"name": thread}))
        events.append(_metadata(pid, tid, "thread_sort_index", {"sort_index": tid}))
    return events


def _metadata(pid: int, tid: int, name: str, args: dict[str, str | int]) -> Event:
    return {"ph": "M", "pid": pid, "tid": tid, "ts": 0.0, "name": name, "args": args}


def _at(pid: int, tid: int, time_ns: int, origin: int) -> Event:
    return {"pid": pid, "tid": tid, "ts": _microseconds(time_ns - origin)}


def _microseconds(duration_ns: int) -> float:
    return duration_ns / 1000.0
