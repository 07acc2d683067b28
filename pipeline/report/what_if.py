"""What a run would have taken if the tasks of one callable were faster: a replay of what was recorded.

Each task begins as long after what held it up as it did: its submit, the tasks that it waited for, the task before it
on its worker. Submits keep their times and workers their order, so that the answer is one of this schedule, not the
best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.observe.trace import TaskSpan

_MOST_TASKS = 20_000
"""Of a run that is replayed: once for each callable."""
_LEAST_GAIN = 1.03


class WhatIf(NamedTuple):
    """One answer."""

    hashid: str
    """Whose tasks take half as long."""
    gain: float
    """How many times as fast the run is then."""


def what_ifs(spans: Sequence[TaskSpan], apart: int = 0) -> tuple[int, list[WhatIf]]:
    """For the run of middle length, the callables that would speed it up if they were twice as fast, the best first.

    Args:
        spans: of one Worker, of all its runs.
        apart: runs at the beginning that warm up.

    Returns:
        The number of that run, 0 if there is none that ended well and is short enough; and the answers.
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
    """From the first submit to when the parent knew of the last end, in nanoseconds.

    Args:
        tasks: of one run, all of which began.
        scale: by hashid, how many times as long tasks take; 1 for those that are not named, which gives what was.
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
