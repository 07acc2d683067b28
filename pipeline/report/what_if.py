"""How long a run would have taken if the tasks of one callable were faster, by replaying its trace.

Each task begins with the recorded delay after the latest of its submit, the end of its predecessors and the end of the
task before it on its worker. Submits keep their times and workers their order: the answer is for this schedule, not for
the best one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.observe.trace import TaskSpan

_MOST_TASKS = 20_000
"""Most tasks of a replayed run, as each callable needs a replay."""
_LEAST_GAIN = 1.03


class WhatIf(NamedTuple):
    """One answer."""

    hashid: str
    """The callable whose tasks take half as long."""
    gain: float
    """How many times as fast the run is."""


def what_ifs(spans: Sequence[TaskSpan], apart: int = 0) -> tuple[int, list[WhatIf]]:
    """For the run of median length, the callables that would speed it up if they were twice as fast, the best first.

    Args:
        spans: the spans of one Worker, of all its runs.
        apart: number of warm-up runs at the beginning.

    Returns:
        The number of that run, or 0 if no successful run is short enough; and the answers.
    """
    runs: dict[int, list[TaskSpan]] = {}
    for span in spans:
        runs.setdefault(span.run, []).append(span)
    well = {
        run: tasks
        for run, tasks in sorted(runs.items())[apart:]
        if len(tasks) <= _MOST_TASKS and all(task.state == "done" and task.begin_ns for task in tasks)
    }
    if not well:
        return 0, []
    ordered = sorted(well, key=lambda run: replay(well[run], {}))
    chosen = ordered[(len(ordered) - 1) // 2]
    tasks = well[chosen]
    whole = replay(tasks, {})
    found = [
        WhatIf(hashid, whole / replay(tasks, {hashid: 0.5})) for hashid in dict.fromkeys(task.hashid for task in tasks)
    ]
    return chosen, sorted((one for one in found if one.gain >= _LEAST_GAIN), key=lambda one: -one.gain)


def replay(tasks: Sequence[TaskSpan], scale: Mapping[str, float]) -> int:
    """Nanoseconds from the first submit to the last completion.

    Args:
        tasks: the tasks of one run, all of which began.
        scale: the factor of the tasks' durations, by hashid; 1 for others. Without factors, the result is the
        recorded time.
    """
    was = {task.task: task.end_ns for task in tasks}
    ends: dict[int, int] = {}
    free_was: dict[tuple[str, int], int] = {}
    free: dict[tuple[str, int], int] = {}
    last = 0
    for task in sorted(tasks, key=lambda task: (task.begin_ns, task.end_ns, task.task)):
        worker = task.kind, task.worker
        before = [earlier for earlier in task.waited_for if earlier in ends]
        since = max(task.submit_ns, free_was.get(worker, 0), *(was[earlier] for earlier in before))
        since_now = max(task.submit_ns, free.get(worker, 0), *(ends[earlier] for earlier in before))
        begin = since_now + max(0, task.begin_ns - since)
        ends[task.task] = begin + round((task.end_ns - task.begin_ns) * scale.get(task.hashid, 1.0))
        free_was[worker], free[worker] = task.end_ns, ends[task.task]
        last = max(last, ends[task.task] + task.complete_ns - task.end_ns)
    return last - min(task.submit_ns for task in tasks)
