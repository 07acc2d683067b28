"""trace.json.gz: what every process, lane and core did, in Chrome's trace event format, which Perfetto opens.

One process track for the parent and for each child; in the parent one thread track of submits, in a child one for its
lane and one for each core that worked. An arrow leads from each submit to the execution. The same spans give the same
bytes. Format: "Trace Event Format", the document of the Chromium project.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.report.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runtime.children import ChildInfo
    from runtime.trace import CoreSpan, TaskSpan, Trace

_LANE = 1
_FIRST_CORE = 2
_KIND_NAMES = {"chip": "chip", "sub": "sub-worker"}

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Processes:
    """Which process stood behind each child."""

    parent: int
    """Process id of the parent."""
    children: Sequence[ChildInfo]

    def pid_of(self, kind: str, worker: int) -> int:
        """The process id of a child. Raises KeyError if there is no such child."""
        for child in self.children:
            if (child.kind, child.id) == (kind, worker):
                return child.pid
        raise KeyError(f"no {_KIND_NAMES[kind]} {worker} among the children")


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
    # An arrow attaches to the slice before it on the same track.
    events.sort(key=lambda e: (e["ts"], e["pid"], e["tid"], "sf".find(e["ph"])))
    return {
        "displayTimeUnit": "ns",
        "otherData": {"clock": "CLOCK_MONOTONIC", "origin_ns": origin, "dropped_core_spans": trace.dropped},
        "traceEvents": [*_track_events(trace, processes), *events],
    }


def write_trace(path: Path, document: Mapping[str, Any]) -> None:
    """Writes the document gzipped, in one step; the bytes depend on nothing but the document."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    write_atomically(path, gzip.compress(text.encode(), mtime=0))


def _task_events(number: int, span: TaskSpan, processes: Processes, name: str, origin: int) -> list[Event]:
    identity = {"run": span.run, "task": span.task, "hashid": span.hashid}
    submit = {
        **_at(processes.parent, _LANE, span.submit_ns, origin),
        "ph": "X",
        "dur": 0.0,
        "cat": "submit",
        "name": f"submit {name}",
        "args": {**identity, "state": span.state},
    }
    if not span.begin_ns or span.worker < 0:
        return [submit]
    pid = processes.pid_of(span.kind, span.worker)
    begin = _at(pid, _LANE, span.begin_ns, origin)
    arrow = {"cat": "dispatch", "name": "dispatch", "id": number}  # Perfetto wants a number here
    return [
        submit,
        {**_at(processes.parent, _LANE, span.submit_ns, origin), **arrow, "ph": "s"},
        {
            **begin,
            "ph": "X",
            "dur": _microseconds(span.end_ns - span.begin_ns),
            "cat": span.kind,
            "name": name,
            "args": {**identity, "state": span.state, "queued_us": _microseconds(span.begin_ns - span.submit_ns)},
        },
        {**begin, **arrow, "ph": "f", "bp": "e"},
    ]


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
        "name": known[core.func_id] if core.func_id < len(known) else f"kernel {core.func_id}",
        "args": {"run": core.run, "task": core.task, "func_id": core.func_id},
    }


def _track_events(trace: Trace, processes: Processes) -> list[Event]:
    """Names and order of the tracks: the parent, chips, sub-workers, each by id."""
    events = _named(processes.parent, 0, "parent", {_LANE: "submits"})
    for position, child in enumerate(sorted(processes.children, key=lambda child: (child.kind, child.id)), start=1):
        cores = sorted({core.core for core in trace.cores if child.kind == "chip" and core.worker == child.id})
        threads = {_LANE: "lane", **{_FIRST_CORE + core: f"core {core}" for core in cores}}
        events += _named(child.pid, position, f"{_KIND_NAMES[child.kind]} {child.id}", threads)
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
