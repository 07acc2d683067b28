"""The parts of a trace other than tasks: stages of the run, the critical path, queued and busy counters, deaths."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pipeline.report.critical_path import Segment
    from pipeline.terminal.actions import StageRecord
    from runtime.observe.trace import TaskSpan

Timed = tuple[int, str]
"""The time in nanoseconds, and the event as JSON."""
_MOST_SAMPLES = 4_000
"""Most samples of one counter; a counter with more changes has this many samples at equal distances."""
_json = json.JSONEncoder(separators=(",", ":")).encode


def stage_events(stages: Sequence[StageRecord], pid: int, tid: int, origin: int) -> list[Timed]:
    """A slice for each stage that began at a known time."""
    events = []
    for stage in stages:
        if stage.begin_ns:
            args = {"actions": len(stage.actions)}
            event = {"ph": "X", "cat": "stage", "name": stage.name, "args": args}
            event |= _at(pid, tid, stage.begin_ns - origin) | {"dur": stage.seconds * 1e6}
            events.append((stage.begin_ns, _json(event)))
    return events


def path_events(
    path: Sequence[Segment], spans: Sequence[TaskSpan], names: Mapping[str, str], where: tuple[int, int], origin: int
) -> list[Timed]:
    """A slice for each piece of the critical path.

    Args:
        path: the result of critical_path.py.
        spans: the spans to which its pieces refer.
        names: name by hashid.
        where: process and thread of the track.
        origin: the origin of all times.
    """
    events = []
    for segment in path:
        args: dict[str, Any] = {"cause": segment.cause}
        name = segment.kind
        if segment.span >= 0:
            span = spans[segment.span]
            args |= {"run": span.run, "task": span.task}
            name = f"{segment.kind}: {names.get(span.hashid, span.hashid)}"
        event = {"ph": "X", "cat": "path", "name": name, "args": args}
        event |= _at(*where, segment.begin_ns - origin) | {"dur": (segment.end_ns - segment.begin_ns) / 1000}
        events.append((segment.begin_ns, _json(event)))
    return events


def counter_events(spans: Sequence[TaskSpan], pid: int, origin: int) -> list[Timed]:
    """Counters of a Worker: tasks that were submitted and had not begun, and children that executed a task."""
    began = [span for span in spans if span.begin_ns]
    if not began:
        return []
    submitted, begun, ended = (
        np.array([getattr(span, name) for span in began], dtype=np.int64)
        for name in ("submit_ns", "begin_ns", "end_ns")
    )
    return [
        *_counter(("tasks queued", "tasks"), submitted, begun, pid, origin),
        *_counter(("workers busy", "workers"), begun, ended, pid, origin),
    ]


def _counter(
    named: tuple[str, str], more: npt.NDArray[np.int64], fewer: npt.NDArray[np.int64], pid: int, origin: int
) -> list[Timed]:
    """One counter, by its name and its unit: each time in ``more`` adds one, each in ``fewer`` takes one away."""
    times = np.sort(np.concatenate((more, fewer)))
    if len(times) > _MOST_SAMPLES:
        times = np.linspace(times[0], times[-1], _MOST_SAMPLES).astype(np.int64)
    values = np.searchsorted(np.sort(more), times, "right") - np.searchsorted(np.sort(fewer), times, "right")
    # Unchanged values are not repeated, and so no time occurs twice.
    shown = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    head = f'{{"ph":"C","pid":{pid},"tid":0,"name":"{named[0]}","args":{{"{named[1]}":'
    return [
        (at, f'{head}{value}}},"ts":{(at - origin) / 1000}}}')
        for at, value in zip(times[shown].tolist(), values[shown].tolist(), strict=True)
    ]


def death_event(span: TaskSpan, why: str, where: tuple[int, int], origin: int) -> Timed:
    """An instant event at the time when the parent noticed that a task had failed with its process."""
    event: dict[str, Any] = {"ph": "i", "s": "p", "cat": "death", "name": f"{span.state}: {why or 'unknown reason'}"}
    event |= {"args": {"run": span.run, "task": span.task, "hashid": span.hashid}}
    return span.complete_ns, _json(event | _at(*where, span.complete_ns - origin))


def _at(pid: int, tid: int, after_ns: int) -> dict[str, Any]:
    return {"pid": pid, "tid": tid, "ts": after_ns / 1000}
