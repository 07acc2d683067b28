"""The end of a trace: only this part of an interrupted run is drawn, so that the report is ready at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from runtime.observe.trace import Trace

MOST_SPANS = 20_000
"""Most tasks and core spans at all levels. They are drawn in less than half a second."""


def count_tasks(trace: Trace) -> int:
    """Number of tasks of the Worker and of the Workers below it."""
    return sum(len(level.tasks) for level in _levels(trace))


def latest(trace: Trace, most: int = MOST_SPANS) -> Trace:
    """A trace of the tasks and core spans that ended last: at most ``most`` of them at all levels together.

    Tasks that never began are chosen last: there may be very many of them, and they show nothing.
    """
    ends = [_ends(level) for level in _levels(trace)]
    total = sum(map(len, ends))
    if total <= most:
        return trace
    kept = np.zeros(total, dtype=bool)
    kept[np.argsort(np.concatenate(ends), kind="stable")[total - most :]] = True
    parts = iter(np.split(kept, np.cumsum([len(of_level) for of_level in ends])[:-1]))
    return _cut(trace, parts)


def _levels(trace: Trace) -> Iterator[Trace]:
    yield trace
    for below in trace.nodes.values():
        yield from _levels(below)


def _ends(trace: Trace) -> npt.NDArray[np.int64]:
    tasks = [span.complete_ns if span.begin_ns else 0 for span in trace.tasks]
    return np.array(tasks + [span.end_ns for span in trace.cores], dtype=np.int64)


def _cut(trace: Trace, parts: Iterator[npt.NDArray[Any]]) -> Trace:
    """Takes the next of ``parts`` for this trace, and the following ones for the traces below, in the order of
    ``_levels``."""
    kept = next(parts).tolist()
    tasks = [span for span, keep in zip(trace.tasks, kept, strict=False) if keep]
    cores = [span for span, keep in zip(trace.cores, kept[len(trace.tasks) :], strict=True) if keep]
    nodes = {node: _cut(below, parts) for node, below in trace.nodes.items()}
    return replace(trace, tasks=tasks, cores=cores, nodes=nodes)
