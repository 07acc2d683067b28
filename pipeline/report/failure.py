"""The failure of a run: the tasks, their workers, the sources of their callables, and what to try next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.common.counts import count_of
from pipeline.report.units import joined, page_duration
from pipeline.report.workers import NODE, first_submit, recording_workers
from runtime.failure import signal_name

if TYPE_CHECKING:
    from pipeline.report.record import RunRecord
    from pipeline.report.workers import RecordingWorker
    from runtime.observe.child_info import ChildInfo
    from runtime.observe.trace import TaskSpan, Trace

LOST = ("lost", "timed out")
FAILED = (*LOST, "failed")
"""States of tasks that failed themselves, in contrast to those that were skipped or cancelled because of others."""
_NAMED = 3
"""Most workers that a message names; of further ones, it gives the number."""
_OUTPUT_LINES = 40
_ASAN = "build=asan"
_ONE_CORE = "worker.cores_per_chip=1"


class FailedTask(NamedTuple):
    """A task that failed itself."""

    span: TaskSpan
    worker: str
    """The name of the child that it ran on; empty if it was never dispatched."""
    why: str
    """How its process ended, for instance ``"SIGSEGV"`` or ``"exited with status 3"``; empty if unknown."""


def failed_tasks(trace: Trace) -> list[FailedTask]:
    """All failed tasks, in the order in which their parents noticed; tasks of nodes come last, since they fail because
    of tasks below."""
    found = []
    for worker in recording_workers(trace):
        for i, why in reasons(worker).items():
            span = worker.trace.tasks[i]
            found.append(FailedTask(span, worker.child(span.kind, span.worker) if span.worker >= 0 else "", why))
    return sorted(found, key=lambda task: (task.span.kind == NODE, task.span.complete_ns))


def reasons(worker: RecordingWorker) -> dict[int, str]:
    """The reasons of a Worker's failed tasks, by index: see ``FailedTask.why``.

    For a child that died several times, only the last reason is known.
    """
    exits = {(child.kind, child.id): exit_word(child) for child in worker.trace.children}
    wrong = [i for i, span in enumerate(worker.trace.tasks) if span.state in FAILED]
    last: dict[tuple[str, int], int] = {}
    for i in sorted(wrong, key=lambda i: worker.trace.tasks[i].complete_ns):
        span = worker.trace.tasks[i]
        if span.state == "lost":
            last[span.kind, span.worker] = i
    known = {i: exits.get(child, "") for child, i in last.items()}
    return {i: known.get(i, "") for i in wrong}


def since(worker: RecordingWorker) -> dict[int, int]:
    """The earliest possible begin of failed tasks whose begin was not recorded, by index: not before their dispatch,
    nor while their child executed another task."""
    by_child: dict[tuple[str, int], list[int]] = {}
    for i, span in enumerate(worker.trace.tasks):
        if span.worker >= 0 and span.dispatch_ns and (span.begin_ns or span.state in FAILED):
            by_child.setdefault((span.kind, span.worker), []).append(i)
    found = {}
    for mine in by_child.values():
        free = 0
        for i in sorted(mine, key=lambda i: worker.trace.tasks[i].complete_ns):
            span = worker.trace.tasks[i]
            if not span.begin_ns:
                found[i] = min(max(span.dispatch_ns, free), span.complete_ns)
            free = max(free, span.end_ns or span.complete_ns)
    return found


def exit_word(child: ChildInfo) -> str:
    """How the previous process ended, in short: ``"SIGSEGV"``, ``"exited with status 3"``."""
    if child.last_signal is not None:
        return signal_name(child.last_signal) or f"signal {child.last_signal}"
    return "" if child.last_exit_status is None else f"exited with status {child.last_exit_status}"


def failure_words(trace: Trace, names: Mapping[str, str]) -> str:
    """One line: the first failed task, the number of further ones, and their workers; empty if none failed."""
    failed = failed_tasks(trace)
    if not failed:
        return ""
    first, more = failed[0], failed[1:]
    on = f" on {first.worker}" if first.worker else ""
    words = f"{first.span.state}: task {first.span.task} of run {first.span.run} ({_name(first, names)}){on}"
    if more:
        states = [task.span.state for task in more]
        told = [f"{states.count(state):,} {state}" for state in dict.fromkeys(states)]
        places = list(dict.fromkeys(task.worker for task in more if task.worker))
        named = places if len(places) <= _NAMED else [*places[: _NAMED - 1], f"{len(places) - _NAMED + 1} others"]
        words += f", and {len(more):,} more"
        words += f" ({', '.join(told)})" if set(states) != {first.span.state} else ""
        words += f" on {joined(named)}" if named else ""
    skipped = sum(span.state == "skipped" for worker in recording_workers(trace) for span in worker.trace.tasks)
    return words + (f"; {count_of(skipped, 'task')} skipped" if skipped else "")


def failure_document(record: RunRecord) -> dict[str, Any] | None:
    """The crash section of report.html; None for a run in which no task failed.

    Returns:
        ``run``, ``task``, ``callable``, ``hashid``, ``worker``, ``state``, ``why`` and ``took_ns`` of the first failed
        task; ``flags`` and ``sources`` (``file``, ``first_line``, ``text``) of its callable; ``output``: the last lines
        of the workers' standard error; ``others``: the state of each worker at that moment; ``next``: what to try, as
        ``why`` and ``command``.
    """
    failed = failed_tasks(record.trace)
    if not failed:
        return None
    first = failed[0]
    span = first.span
    known = next((c for c in record.callables if c.hashid == span.hashid), None)
    since = span.begin_ns or span.dispatch_ns or span.submit_ns
    return {
        "run": span.run,
        "task": span.task,
        "callable": _name(first, record.names),
        "hashid": span.hashid,
        "worker": first.worker,
        "state": span.state,
        "why": first.why,
        "took_ns": span.complete_ns - since,
        "flags": list(known.flags) if known else [],
        "sources": [source._asdict() for source in known.sources] if known else [],
        "output": record.worker_output.splitlines()[-_OUTPUT_LINES:],
        "others": _others(record, failed),
        "next": _next(record, known is not None and known.kind == "CHIP_CALLABLE"),
    }


def _name(task: FailedTask, names: Mapping[str, str]) -> str:
    return names.get(task.span.hashid, task.span.hashid)


def _others(record: RunRecord, failed: Sequence[FailedTask]) -> list[tuple[str, str]]:
    """The state of every chip and sub-worker when the first task failed."""
    at = failed[0].span.complete_ns
    rows = []
    workers = recording_workers(record.trace)
    for worker in workers:
        for child in sorted(worker.trace.children, key=lambda child: (child.kind == "sub", child.id)):
            if child.kind != NODE:
                mine = [t for t in worker.trace.tasks if (t.kind, t.worker) == (child.kind, child.id)]
                words = _doing(mine, at, record.names, first_submit(workers))
                replaced = child.incarnation > 1 and any(t.state in LOST for t in mine)
                rows.append((worker.child(child.kind, child.id), words + (", then replaced" if replaced else "")))
    return rows


def _doing(mine: Sequence[TaskSpan], at: int, names: Mapping[str, str], origin: int) -> str:
    for span in mine:
        begin = span.begin_ns or span.dispatch_ns
        if begin and begin <= at <= span.complete_ns:
            name = f"task {span.task} ({names.get(span.hashid, span.hashid)})"
            if span.state in FAILED:
                return f"{name}: {span.state} at {page_duration((span.complete_ns - origin) / 1e9)}"
            return f"executed {name}, {span.state} at {page_duration((span.complete_ns - origin) / 1e9)}"
    done = sum(span.state == "done" for span in mine)
    later = next((span for span in mine if span.state in FAILED and span.complete_ns > at), None)
    then = f", task {later.task} ({names.get(later.hashid, later.hashid)}) {later.state} later" if later else ""
    return f"idle; {count_of(done, 'task')} done in all{then}"


def _next(record: RunRecord, on_chip: bool) -> list[dict[str, str]]:
    if not record.command:
        return []
    tried = []
    overrides = [word for word in record.command if not word.startswith("build=")]
    if on_chip and record.build != "asan":
        why = "Let AddressSanitizer find the line of the kernel:"
        tried.append({"why": why, "command": shlex.join([*overrides, _ASAN])})
    if on_chip and _ONE_CORE not in record.command:
        why = "On one core: if the run then succeeds, blocks of a launch touch the same bytes:"
        tried.append({"why": why, "command": shlex.join([*record.command, _ONE_CORE])})
    if not on_chip:
        why = "The same run again, with full hashes and file names in its output:"
        tried.append({"why": why, "command": shlex.join([*record.command, "output=verbose"])})
    return tried
