"""Summaries of task durations: waiting and execution times of each callable's tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.report.workers import recording_workers, runs_of_outermost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.observe.trace import TaskSpan, Trace


_LEAST_FOR_P99 = 100


class Distribution(NamedTuple):
    """Order statistics of durations, in seconds."""

    min: float
    median: float
    p99: float | None
    """The smallest duration that at least 99 % of the tasks do not exceed; None for fewer than 100 tasks."""
    max: float


def distribution(durations_ns: Sequence[int]) -> Distribution | None:
    """Summarises durations in nanoseconds; None if there are none."""
    if not durations_ns:
        return None
    ordered = np.sort(np.asarray(durations_ns, dtype=np.int64))
    p99 = float(ordered[-(-99 * len(ordered) // 100) - 1]) / 1e9 if len(ordered) >= _LEAST_FOR_P99 else None
    low, middle, high = (float(ns) / 1e9 for ns in (ordered[0], np.median(ordered), ordered[-1]))
    return Distribution(low, middle, p99, high)


def task_statistics(trace: Trace, names: Mapping[str, str], warm_up: int = 0) -> dict[str, Any]:
    """The ``tasks`` of result.json.

    Args:
        trace: the Worker's trace.
        names: name by hashid; a callable without a name appears by its hashid.
        warm_up: number of runs at the beginning whose tasks are counted, but are not part of durations.

    Returns:
        ``count``; ``states`` (count by state); ``execution_seconds`` and ``queue_seconds`` (from submit to begin) as
        min, median, p99 and max over all tasks that began after the warm-up, or null; ``callables``: the same for each
        name; ``below``: the same for the tasks that the Workers inside the nodes submitted, or null without nodes. A
        task counts at its own level only; the time of a node's task includes the tasks that it submits.
    """
    workers = recording_workers(trace)
    runs = runs_of_outermost(workers)
    apart = set(sorted(set(runs[0]))[:warm_up])
    depths = 1 + max(len(worker.place) for worker in workers)
    by_depth: list[list[tuple[TaskSpan, bool]]] = [[] for _ in range(depths)]
    for worker, of_tasks in zip(workers, runs, strict=True):
        pairs = zip(worker.trace.tasks, of_tasks, strict=True)
        by_depth[len(worker.place)] += [(span, run not in apart) for span, run in pairs]
    # A level that reported nothing is included as a level without tasks.
    missing = {len(worker.place) + 1 for worker in workers if worker.trace.missing_nodes}
    by_depth += [[] for _ in range(max(missing, default=0) + 1 - len(by_depth))]
    found: dict[str, Any] | None = None
    for level in reversed(by_depth):
        found = {**_level_statistics(level, names), "below": found}
    assert found is not None
    return found


def _level_statistics(everything: Sequence[tuple[TaskSpan, bool]], names: Mapping[str, str]) -> dict[str, Any]:
    by_name: dict[str, list[tuple[TaskSpan, bool]]] = {}
    for pair in everything:
        by_name.setdefault(names.get(pair[0].hashid, pair[0].hashid), []).append(pair)
    return {**_summary(everything), "callables": {name: _summary(by_name[name]) for name in sorted(by_name)}}


def measurements(
    run_seconds: Sequence[float],
    warm_up: int,
    trace: Trace,
    names: Mapping[str, str],
    warm_up_seconds: Sequence[float] = (),
) -> dict[str, Any]:
    """The ``measurements`` of result.json: one number for each measured run, in the order of the runs.

    Args:
        run_seconds: duration of each measured run, from the first submit to the end.
        warm_up: number of warm-up runs before them.
        trace: the Worker's trace of all runs.
        names: name by hashid.
        warm_up_seconds: durations of the warm-up runs.

    Returns:
        ``warm_up``; ``warm_up_seconds``; ``run_seconds``; ``execution_seconds``: for each callable the median over a
        run's tasks, including those that nodes submitted during the run.
    """
    durations: dict[str, dict[int, list[int]]] = {}
    workers = recording_workers(trace)
    runs = runs_of_outermost(workers)
    for worker, runs_of_tasks in zip(workers, runs, strict=True):
        for span, run in zip(worker.trace.tasks, runs_of_tasks, strict=True):
            if span.begin_ns:
                of_callable = durations.setdefault(names.get(span.hashid, span.hashid), {})
                of_callable.setdefault(run, []).append(span.end_ns - span.begin_ns)
    measured = sorted(set(runs[0]))[warm_up : warm_up + len(run_seconds)]
    return {
        "warm_up": warm_up,
        "warm_up_seconds": list(warm_up_seconds),
        "run_seconds": list(run_seconds),
        "execution_seconds": {
            name: [float(np.median(of_run[run])) / 1e9 for run in measured if run in of_run]
            for name, of_run in sorted(durations.items())
        },
    }


def _summary(spans: Sequence[tuple[TaskSpan, bool]]) -> dict[str, Any]:
    began = [span for span, measured in spans if measured and span.begin_ns]
    states = [span.state for span, _ in spans]
    return {
        "count": len(spans),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "execution_seconds": _plain(distribution([span.end_ns - span.begin_ns for span in began])),
        "queue_seconds": _plain(distribution([span.begin_ns - span.submit_ns for span in began])),
    }


def _plain(summary: Distribution | None) -> dict[str, float | None] | None:
    return summary._asdict() if summary else None
