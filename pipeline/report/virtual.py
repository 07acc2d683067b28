"""The virtual time of a run on modelled chips, for reports: always separate from measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.common.counts import count_of, duration

if TYPE_CHECKING:
    from runtime.virtual.virtual_time import VirtualSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualRecord:
    """Virtual time of one run of the graph, in whole nanoseconds: the same on every machine."""

    model: str
    """Name of the chip model; the configuration has its values."""
    workload: str
    chips: int
    sub_workers: int
    tasks: int
    edges: int
    makespan_ns: int
    critical_path_ns: int
    one_by_one_ns: int
    chips_busy_ns: int
    """Busy time of all chips together."""
    callables: Mapping[str, Mapping[str, int]]
    """For each callable by name: ``tasks``, and ``work_ns``, their total time."""
    spans: Sequence[VirtualSpan] = ()


def virtual_document(record: VirtualRecord) -> dict[str, Any]:
    """The key ``virtual`` of result.json: the record without the spans, and derived figures."""
    whole = record.chips * record.makespan_ns
    return {
        "model": record.model,
        "chips": record.chips,
        "sub_workers": record.sub_workers,
        "tasks": record.tasks,
        "edges": record.edges,
        "makespan_ns": record.makespan_ns,
        "critical_path_ns": record.critical_path_ns,
        "one_by_one_ns": record.one_by_one_ns,
        "chips_busy": record.chips_busy_ns / whole if whole else 0.0,
        "callables": {name: dict(figures) for name, figures in record.callables.items()},
    }


def virtual_words(record: VirtualRecord) -> str:
    """One line with the workload, the chips and the virtual time."""
    found = virtual_document(record)
    chips = count_of(record.chips, "chip")
    return (
        f"{record.workload} on {chips} ({record.model}): {duration(record.makespan_ns / 1e9)} of virtual time, "
        f"critical path {duration(record.critical_path_ns / 1e9)}, chips busy {100 * found['chips_busy']:.0f} %"
    )


def virtual_trace(record: VirtualRecord) -> dict[str, Any]:
    """The spans in Chrome's trace event format, a process track for each child; times begin at 0."""
    names = {"chip": "chip", "sub": "sub-worker"}
    children = sorted({(span.kind, span.worker) for span in record.spans})
    pids = {child: position for position, child in enumerate(children, start=1)}
    events: list[dict[str, Any]] = []
    for (kind, worker), pid in pids.items():
        about = {"name": f"{names[kind]} {worker} (virtual)"}
        events.append({"ph": "M", "pid": pid, "tid": 1, "ts": 0.0, "name": "process_name", "args": about})
        order = {"sort_index": pid}
        events.append({"ph": "M", "pid": pid, "tid": 1, "ts": 0.0, "name": "process_sort_index", "args": order})
    for span in sorted(record.spans, key=lambda span: (span.begin_ns, span.task)):
        events.append(
            {
                "ph": "X",
                "pid": pids[span.kind, span.worker],
                "tid": 1,
                "ts": span.begin_ns / 1000,
                "dur": (span.end_ns - span.begin_ns) / 1000,
                "cat": span.kind,
                "name": span.callable,
                "args": {"task": span.task},
            }
        )
    about_clock = {"clock": "virtual", "chip_model": record.model}
    return {"displayTimeUnit": "ns", "otherData": about_clock, "traceEvents": events}
